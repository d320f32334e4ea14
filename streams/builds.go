package streams

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"multinode"
)

// BuildKey names a version that is being built.
type BuildKey struct{ Project, Generation, Version string }

// Build is the attempt that is under way at building a version's image. It is kept
// apart from the version, as the order may hold credentials of a registry.
type Build struct {
	// Attempt is whose claim on the version it is made under.
	Attempt string `json:"attempt"`
	// Until is when nobody waits for it any more.
	Until time.Time `json:"until"`
	// Order and Report are documents of package order.
	Order  json.RawMessage `json:"order"`
	Report json.RawMessage `json:"report,omitempty"`
	// Session is the hash of what the builder calls itself: set by its first request,
	// it keeps all others out.
	Session []byte `json:"session,omitempty"`
	// Opened tells that the code was given out. It may run from then on, and see what the
	// builder says of itself: the order is given to nobody any more.
	Opened bool `json:"opened,omitempty"`
}

// BuildSecret signs the tickets of builds.
func (s *Store) BuildSecret() []byte { return s.buildSecret }

// Installation names what this store belongs to: the same for all processes that work
// on it, and no other's.
func (s *Store) Installation() string {
	mac := hmac.New(sha256.New, s.buildSecret)
	_, _ = mac.Write([]byte("installation")) // a hash never fails
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

// BeginBuild stores the order of an attempt, in the place of any earlier one's.
func (s *Store) BeginBuild(ctx context.Context, k BuildKey, attempt string, until time.Time, order []byte) error {
	data, err := json.Marshal(Build{Attempt: attempt, Until: until.UTC(), Order: order})
	if err != nil {
		return err
	}
	_, err = s.registry.kv.Put(ctx, buildKey(k.Project, k.Generation, k.Version), data)
	return classify("store the order of a build", err)
}

// Build returns the attempt that is under way, or ErrNotFound.
func (s *Store) Build(ctx context.Context, k BuildKey) (Build, error) {
	stored, err := s.registry.kv.Get(ctx, buildKey(k.Project, k.Generation, k.Version))
	if err != nil {
		return Build{}, classify("look up a build", err)
	}
	return decode[Build](stored.Value())
}

// BindBuild notes who does the attempt, and tells whether it is this session.
func (s *Store) BindBuild(ctx context.Context, k BuildKey, attempt string, session []byte) (bool, error) {
	build, err := s.updateBuild(ctx, k, attempt, func(b *Build) error {
		if b.Session != nil {
			return errUnchanged
		}
		b.Session = session
		return nil
	})
	return bytes.Equal(build.Session, session), err
}

// OpenBuild notes that the code is given out.
func (s *Store) OpenBuild(ctx context.Context, k BuildKey, attempt string) error {
	_, err := s.updateBuild(ctx, k, attempt, func(b *Build) error {
		if b.Opened {
			return errUnchanged
		}
		b.Opened = true
		return nil
	})
	return err
}

// ReportBuild stores how an attempt ended. The first word counts.
func (s *Store) ReportBuild(ctx context.Context, k BuildKey, attempt string, report []byte) error {
	_, err := s.updateBuild(ctx, k, attempt, func(b *Build) error {
		if b.Report != nil {
			return errUnchanged
		}
		b.Report = report
		return nil
	})
	if err == nil {
		_ = s.nc.Publish(join(builtSubjects, attempt), nil) // whoever waits looks by itself, too
	}
	return err
}

// updateBuild changes an attempt; ErrNotFound where another has begun. It leaves the
// copy of the registry alone: what is stored here may hold credentials.
func (s *Store) updateBuild(ctx context.Context, k BuildKey, attempt string, change func(*Build) error) (Build, error) {
	key := buildKey(k.Project, k.Generation, k.Version)
	for {
		stored, err := s.registry.kv.Get(ctx, key)
		if err != nil {
			return Build{}, classify("look up a build", err)
		}
		build, err := decode[Build](stored.Value())
		if err != nil {
			return Build{}, err
		}
		if build.Attempt != attempt {
			return Build{}, ErrNotFound
		}
		if err := change(&build); errors.Is(err, errUnchanged) {
			return build, nil
		} else if err != nil {
			return Build{}, err
		}
		data, err := json.Marshal(build)
		if err != nil {
			return Build{}, err
		}
		_, err = s.registry.kv.Update(ctx, key, data, stored.Revision())
		if errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
			continue
		}
		return build, classify("update a build", err)
	}
}

const (
	// buildPoll is how often a build is looked at without a word of its end.
	buildPoll = 2 * time.Second
	// buildLook bounds one look: who waits has much time, and an answer that got lost
	// must not take all of it.
	buildLook = 5 * time.Second
)

// AwaitBuild returns the report of an attempt. Where ended is closed it has one last
// look: the report is nil then, if there is none.
func (s *Store) AwaitBuild(ctx context.Context, k BuildKey, attempt string, ended <-chan struct{}) ([]byte, error) {
	reported := make(chan *nats.Msg, 1)
	sub, err := s.nc.ChanSubscribe(join(builtSubjects, attempt), reported)
	if err != nil {
		return nil, classify("wait for a build", err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	tick := time.NewTicker(buildPoll)
	defer tick.Stop()
	for last := false; ; {
		looking, looked := context.WithTimeout(ctx, buildLook)
		build, err := s.Build(looking, k)
		looked()
		switch {
		case err != nil && ctx.Err() == nil && !isNotFound(err) && !last: // it may be over by the next look
		case err != nil:
			return nil, err
		case build.Attempt != attempt:
			return nil, ErrNotFound
		case build.Report != nil || last:
			return build.Report, nil
		}
		select {
		case <-reported:
		case <-tick.C:
		case <-ended:
			last = true
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// EndBuild forgets an attempt, unless another has begun.
func (s *Store) EndBuild(ctx context.Context, k BuildKey, attempt string) error {
	build, err := s.Build(ctx, k)
	if isNotFound(err) || err == nil && build.Attempt != attempt {
		return nil
	}
	if err != nil {
		return err
	}
	return s.registry.erase(ctx, buildKey(k.Project, k.Generation, k.Version))
}

// BuildKeyOf names a version's build.
func BuildKeyOf(v multinode.Version) BuildKey {
	return BuildKey{Project: v.Project, Generation: v.Generation, Version: v.ID}
}
