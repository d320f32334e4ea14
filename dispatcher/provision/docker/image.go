package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/registry"
)

// progressEvery is the time between two words about a pull.
const progressEvery = 5 * time.Second

// pullSilence is how long the engine may say nothing of a pull before it is begun anew:
// longer than it takes to check the largest layer.
const pullSilence = 10 * time.Minute

var errSilent = errors.New("the engine got nothing from the registry for a long time")

// pulls are those under way, by reference.
type pulls struct {
	silence time.Duration // pullSilence but in tests

	mu  sync.Mutex
	all map[string]*pull
}

type pull struct {
	done chan struct{}
	err  error
}

// byDigest tells whether the reference means the same image for ever: a name with
// a digest, or the ID of an image that the engine has.
func byDigest(reference string) bool {
	return strings.Contains(reference, "@sha256:") || strings.HasPrefix(reference, "sha256:")
}

// image returns the image, and pulls it where it is missing.
func (p *Provisioner) image(ctx context.Context, reference string) (image.InspectResponse, error) {
	found, err := p.engine.ImageInspect(ctx, reference)
	if !errdefs.IsNotFound(err) {
		return found, err
	}
	if strings.HasPrefix(reference, "sha256:") {
		return found, permanent(fmt.Errorf("the engine does not have the image %s, which no registry was named for; deploy the project again", reference))
	}
	if err := p.pull(ctx, reference); err != nil {
		return found, err
	}
	return p.engine.ImageInspect(ctx, reference)
}

// pull waits for the pull of the image that is under way, or begins one. It goes
// on when the caller has given up: he, or another, is going to ask again.
func (p *Provisioner) pull(ctx context.Context, reference string) error {
	p.pulls.mu.Lock()
	under := p.pulls.all[reference]
	if under == nil {
		under = &pull{done: make(chan struct{})}
		if p.pulls.all == nil {
			p.pulls.all = map[string]*pull{}
		}
		p.pulls.all[reference] = under
		p.spawn(func() {
			under.err = p.fetch(p.life, reference)
			p.pulls.mu.Lock()
			delete(p.pulls.all, reference)
			p.pulls.mu.Unlock()
			close(under.done)
		})
	}
	p.pulls.mu.Unlock()
	select {
	case <-under.done:
		return under.err
	case <-ctx.Done():
		return ctx.Err()
	case <-p.life.Done():
		return ErrClosed
	}
}

func (p *Provisioner) fetch(ctx context.Context, reference string) error {
	log := p.options.Logger.With(slog.String("image", reference))
	begun := time.Now()
	log.Info("pulling an image")
	var options image.PullOptions
	if p.options.Login != nil {
		login, err := p.options.Login(ctx, reference)
		if err != nil {
			return fmt.Errorf("logging in to the registry of %s: %w", reference, err)
		}
		options.RegistryAuth, err = registry.EncodeAuthConfig(registry.AuthConfig{Username: login.Username, Password: login.Password})
		if err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silent := time.AfterFunc(p.pulls.silence, func() { cancel(errSilent) })
	defer silent.Stop()
	stream, err := p.engine.ImagePull(ctx, reference, options)
	if err == nil {
		err = errors.Join(follow(stream, log, func() { silent.Reset(p.pulls.silence) }), stream.Close())
	}
	if err != nil && errors.Is(context.Cause(ctx), errSilent) {
		err = errSilent
	}
	if err != nil {
		return pullFailure(fmt.Errorf("pulling the image %s: %w", reference, err))
	}
	log.Info("pulled an image", slog.Duration("took", time.Since(begun)))
	return nil
}

// report is one line of what the engine says of a pull.
type report struct {
	ID       string     `json:"id"`
	Status   string     `json:"status"`
	Progress downloaded `json:"progressDetail"`
	Error    string     `json:"error"`
}

type downloaded struct{ Current, Total int64 }

// follow reads a pull's report to its end, and calls heard for each line.
func follow(stream io.Reader, log *slog.Logger, heard func()) error {
	decoder := json.NewDecoder(stream)
	layers := map[string]downloaded{}
	spoken := time.Now()
	for {
		var m report
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		heard()
		if m.Error != "" {
			return errors.New(m.Error)
		}
		if m.Status == "Downloading" {
			layers[m.ID] = m.Progress
		}
		if time.Since(spoken) >= progressEvery {
			spoken = time.Now()
			var got, all int64
			for _, layer := range layers {
				got, all = got+layer.Current, all+layer.Total
			}
			log.Info("still pulling an image", slog.Int64("bytes", got), slog.Int64("of", all))
		}
	}
}
