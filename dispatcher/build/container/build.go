package container

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"multinode"
	"multinode/dispatcher/build"
	"multinode/dispatcher/provision"
	"multinode/images/builder"
	"multinode/images/order"
	"multinode/internal/failpoint"
	"multinode/streams"
)

const (
	// buildTime bounds one attempt: longer than pip and main.py may take in it.
	buildTime = time.Hour
	// launchTime is how long an attempt waits for room before it is made anew, as its
	// ticket gets old meanwhile.
	launchTime = 10 * time.Minute
	// tries is how often a build is begun whose worker ends without a word.
	tries = 3
	// launchPause is between two launches that were put off, where nobody says more.
	launchPause = 2 * time.Second
	// startPause is before a build is launched again of which nothing has run.
	startPause = 10 * time.Second
	// stopPatience bounds the removal of a worker.
	stopPatience = 30 * time.Second
)

const attemptPrefix = "build"

func isBuild(execution string) bool { return strings.HasPrefix(execution, attemptPrefix+"-") }

// build makes one image, and returns the functions that the code declares there.
func (w *Workshop) build(ctx context.Context, v multinode.Version, base named, tell func(string)) ([]multinode.FunctionSpec, string, error) {
	f, err := w.lay(ctx, base)
	if err != nil {
		return nil, "", err
	}
	for try := 1; ; try++ {
		report, ended, err := w.attempt(ctx, v, base, f, tell)
		switch {
		case err != nil:
			return nil, "", err
		case report != nil && report.Failure != "":
			return nil, "", &build.Failure{Detail: report.Failure}
		case report != nil && report.Trouble != "":
			return nil, "", w.trouble(ctx, f, "the build had a problem that is not the project's: "+report.Trouble)
		case report != nil:
			return w.built(v, *report)
		case ended.OutOfMemory:
			return nil, "", &build.Failure{Detail: fmt.Sprintf(
				"the build ran out of memory: it has %g GiB, which the server's --build-memory says. It installs what requirements.txt asks for and imports main.py", w.options.MemoryGiB)}
		case ended.NotStarted && ended.Kind == provision.Permanent:
			// Its image is the server's: a login, a role or the image itself is missing.
			return nil, "", w.trouble(ctx, f, "the build cannot be started: "+ended.Detail)
		case ended.NotStarted:
			try-- // nothing of it ran
			tell("the build has not started, and is begun anew: " + ended.Detail)
			if err := pause(ctx, w.startPause); err != nil {
				return nil, "", err
			}
			continue
		case try == tries:
			return nil, "", &build.Failure{Detail: fmt.Sprintf("the build ended without a result, %d times: %s", tries, ended.Detail)}
		}
		w.log.Warn("a build ended without a result; it is begun anew", "version", v.ID, "detail", ended.Detail)
		tell("the build ended without a result, and is begun anew")
	}
}

// trouble is what whoever runs the server may have to mend: the deployment waits. What
// the build needs may have gone from the repository, and is looked for once more.
func (w *Workshop) trouble(ctx context.Context, f foundation, text string) error {
	w.forget(f)
	if err := pause(ctx, w.startPause); err != nil {
		return err
	}
	return errors.New(text)
}

// built reads a report, and keeps the image until its version names it.
func (w *Workshop) built(v multinode.Version, report order.Report) ([]multinode.FunctionSpec, string, error) {
	_, digest, ok := strings.Cut(report.Image, "@")
	if !ok || len(report.Functions) == 0 {
		return nil, "", fmt.Errorf("the build of %s reported the image %q", v.ID, report.Image)
	}
	w.mu.Lock()
	k := streams.BuildKeyOf(v)
	w.fresh[k] = append(w.fresh[k], digest)
	w.mu.Unlock()
	// The build may know the repository by another name.
	return report.Functions, w.options.Repository + "@" + digest, nil
}

// attempt runs one worker. It returns its report or, where there is none, its end.
func (w *Workshop) attempt(ctx context.Context, v multinode.Version, base named, f foundation, tell func(string)) (*order.Report, provision.Exit, error) {
	id := multinode.NewID(attemptPrefix)
	k := streams.BuildKeyOf(v)
	ended := make(chan provision.Exit, 1)
	w.mu.Lock()
	w.running[id] = ended
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		delete(w.running, id)
		w.mu.Unlock()
		w.sweep(ctx, k, id)
	}()
	intent, err := w.intend(ctx, v, id, base, f)
	if err != nil {
		return nil, provision.Exit{}, err
	}
	if putOff, err := w.launch(ctx, intent, tell); err != nil || putOff != "" {
		return nil, provision.Exit{NotStarted: true, Kind: provision.NoCapacity, Detail: putOff}, err
	}
	failpoint.Hit("container.launched")
	limited, cancel := context.WithTimeout(ctx, buildTime)
	defer cancel()
	gone := make(chan struct{})
	var exit provision.Exit
	go func() {
		defer close(gone)
		select {
		case exit = <-ended:
		case <-limited.Done():
		}
	}()
	content, err := w.options.Store.AwaitBuild(limited, k, id, gone)
	cancel()
	<-gone
	switch {
	case ctx.Err() != nil:
		return nil, exit, ctx.Err()
	case limited.Err() != nil && errors.Is(err, context.DeadlineExceeded):
		return nil, exit, &build.Failure{Detail: fmt.Sprintf("the build took longer than %v", buildTime)}
	case errors.Is(err, streams.ErrNotFound): // of the order, not of the code
		return nil, exit, errors.New("another dispatcher has begun to build this version")
	case err != nil:
		return nil, exit, fmt.Errorf("waiting for the build: %w", err)
	case content == nil:
		return nil, exit, nil
	}
	failpoint.Hit("container.reported")
	var report order.Report
	if err := json.Unmarshal(content, &report); err != nil {
		return nil, exit, fmt.Errorf("reading the report of the build: %w", err)
	}
	return &report, exit, nil
}

// intend stores the order and returns what is to be launched for it.
func (w *Workshop) intend(ctx context.Context, v multinode.Version, id string, base named, f foundation) (provision.Intent, error) {
	o, k := w.options, streams.BuildKeyOf(v)
	what := order.Order{
		Bundle: v.Bundle, Base: inBuild(o, f.base.Reference), BaseName: base.name, Runner: inBuild(o, f.runner),
		Platform: o.Platform, Repository: o.BuildRepository, Insecure: o.BuildInsecure, SystemPackages: base.own,
		Python: v.Python, Labels: map[string]string{"project": v.Project},
	}
	if o.Credentials != nil {
		var err error
		if what.Credentials, err = o.Credentials(ctx); err != nil {
			return provision.Intent{}, err
		}
	}
	content, err := json.Marshal(what)
	if err != nil {
		return provision.Intent{}, err
	}
	until := time.Now().Add(launchTime + buildTime)
	ticket, err := order.Ticket{Project: k.Project, Generation: k.Generation, Version: k.Version, Attempt: id, Expires: until.UTC()}.Sign(o.Store.BuildSecret())
	if err != nil {
		return provision.Intent{}, err
	}
	if err := o.Store.BeginBuild(ctx, k, id, until, content); err != nil {
		return provision.Intent{}, err
	}
	failpoint.Hit("container.ordered")
	environment := maps.Clone(o.Environment)
	if environment == nil {
		environment = map[string]string{}
	}
	environment[builder.URLVariable], environment[builder.TicketVariable] = strings.TrimSuffix(o.URL, "/")+"/build/", ticket
	return provision.Intent{
		ExecutionID: id, ExecutionKey: streams.BuildKeyName(k), Project: v.Project, Version: v.ID,
		CPU: o.CPU, MemoryGiB: o.MemoryGiB, Environment: environment, Image: f.runner,
	}, nil
}

// inBuild is what builds call an image of the repository, which may be written in
// several ways.
func inBuild(o Options, reference string) string {
	_, digest, _ := strings.Cut(reference, "@")
	return o.BuildRepository + "@" + digest
}

// launch launches the worker, and waits a while where there is no room for it yet. It
// returns why there is none then.
func (w *Workshop) launch(ctx context.Context, intent provision.Intent, tell func(string)) (putOff string, err error) {
	waiting := time.Now()
	for said := ""; ; {
		_, err := w.options.Provisioner.Launch(ctx, intent)
		if err == nil || ctx.Err() != nil {
			return "", err
		}
		if provision.KindOf(err) == provision.Permanent {
			return "", &build.Failure{Detail: "the build cannot be run: " + err.Error()}
		}
		if time.Since(waiting) > w.launchTime {
			return err.Error(), nil
		}
		if text := err.Error(); text != said {
			said = text
			tell("the build waits: " + text)
			w.log.Warn("a build could not be launched; it will be tried again", "attempt", intent.ExecutionID, "error", err)
		}
		if err := pause(ctx, cmp.Or(provision.RetryAfter(err), launchPause)); err != nil {
			return "", err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sweep ends an attempt and its worker, also where ctx has ended. What it cannot end,
// the reaper does.
func (w *Workshop) sweep(ctx context.Context, k streams.BuildKey, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopPatience)
	defer cancel()
	if err := w.options.Store.EndBuild(ctx, k, id); err != nil {
		w.log.Warn("a build's order was not removed", "attempt", id, "error", err)
	}
	if err := w.options.Provisioner.Stop(ctx, id, multinode.Worker{}, 0); err != nil {
		w.log.Warn("a build's worker is left to the reaper", "attempt", id, "error", err)
	}
}
