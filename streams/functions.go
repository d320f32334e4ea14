package streams

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"multinode"
	"multinode/internal/failpoint"
)

// Function returns the deployed state of a function, or ErrNotFound.
func (s *Store) Function(ctx context.Context, p multinode.Project, name string) (multinode.Function, error) {
	return cached[multinode.Function](ctx, s.registry, functionKey(p.Name, p.Generation, name))
}

// Functions returns the deployed state of all functions of all projects.
func (s *Store) Functions(context.Context) []multinode.Function {
	return all[multinode.Function](s.registry, "function.")
}

// maxActivations bounds how many versions back a request without a version can
// have been accepted and still be waiting.
const maxActivations = 200

// Activate makes a version serve: it makes the stream and the consumer of each
// of its functions, brings their quota to the version's, and notes from which
// request on the version counts. A function that a version made later serves
// already stays that one's. It may be repeated. It returns ErrNotFound where the
// project has gone or is being undeployed, and ErrTaken where another stream has a
// function's subject.
func (s *Store) Activate(ctx context.Context, v multinode.Version) error {
	for _, f := range v.Functions {
		// Whoever activates may have been suspended for long: a stream that is made
		// when the project has gone keeps its name from others.
		p, err := s.CurrentProject(ctx, v.Project)
		if err == nil && (p.Generation != v.Generation || p.Deleting()) {
			err = ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("activate the function %q: %w", f.Name, err)
		}
		if overtaken, err := s.overtaken(ctx, v, f); overtaken || err != nil {
			if err != nil {
				return fmt.Errorf("activate the function %q: %w", f.Name, err)
			}
			continue
		}
		last, err := s.ensureFunctionStream(ctx, v, f)
		if err != nil {
			return fmt.Errorf("activate the function %q: %w", f.Name, err)
		}
		if err := s.noteActivation(ctx, v, f, last); err != nil {
			return fmt.Errorf("activate the function %q: %w", f.Name, err)
		}
		failpoint.Hit("streams.activated")
	}
	return nil
}

// overtaken tells whether a version that was made after this one, but was ready
// sooner, serves the function.
func (s *Store) overtaken(ctx context.Context, v multinode.Version, f multinode.FunctionSpec) (bool, error) {
	p := multinode.Project{Name: v.Project, Generation: v.Generation}
	stored, err := s.Function(ctx, p, f.Name)
	if isNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	latest, err := s.Version(ctx, p, stored.Activations[len(stored.Activations)-1].Version)
	if isNotFound(err) {
		return false, nil
	}
	return latest.CreatedAt.After(v.CreatedAt), err
}

// ensureFunctionStream returns the last sequence of the function's stream.
func (s *Store) ensureFunctionStream(ctx context.Context, v multinode.Version, f multinode.FunctionSpec) (uint64, error) {
	config := jetstream.StreamConfig{
		Name:        requestStream(v.Project, v.Generation, f.Name),
		Subjects:    []string{join(requestSubjects, v.Project, f.Name) + ".*"},
		Description: describe("requests to run " + v.Project + "/" + f.Name),
		Retention:   jetstream.LimitsPolicy, Discard: jetstream.DiscardNew,
		MaxMsgsPerSubject: 1, DiscardNewPerSubject: true,
		MaxMsgs: -1, MaxBytes: -1, MaxMsgSize: -1, MaxConsumers: -1,
		Storage: jetstream.FileStorage, Replicas: s.options.Replicas, AllowDirect: true,
	}
	stream, err := s.js.Stream(ctx, config.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = s.js.CreateStream(ctx, config)
	}
	var api *jetstream.APIError
	if errors.As(err, &api) && api.ErrorCode == codeSubjectsOverlap {
		return 0, fmt.Errorf("make the stream: %w", ErrTaken)
	}
	if err != nil {
		return 0, classify("make the stream", err)
	}
	failpoint.Hit("streams.stream_made")
	if _, err = stream.CreateOrUpdateConsumer(ctx, consumerConfig(f.MaxConcurrency)); err != nil {
		return 0, classify("make the consumer", err)
	}
	failpoint.Hit("streams.consumer_made")
	info, err := stream.Info(ctx)
	if err != nil {
		return 0, classify("look at the stream", err)
	}
	return info.State.LastSeq, nil
}

func consumerConfig(maxConcurrency int) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable: consumerName, AckPolicy: jetstream.AckExplicitPolicy, AckWait: multinode.AckWait,
		MaxAckPending: maxConcurrency, MaxDeliver: -1, DeliverPolicy: jetstream.DeliverAllPolicy,
	}
}

// restoreConsumers makes the consumers of these functions that are missing, as after
// a restore from a backup without them: each request is then delivered, and looked
// at, again.
func (s *Store) restoreConsumers(ctx context.Context, functions []multinode.Function) error {
	for _, f := range functions {
		stream := requestStream(f.Project, f.Generation, f.Name)
		_, err := s.js.Consumer(ctx, stream, consumerName)
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			s.log.Warn("a function's consumer was missing and is made again", "project", f.Project, "function", f.Name)
			_, err = s.js.CreateConsumer(ctx, stream, consumerConfig(f.MaxConcurrency))
		}
		if err = classify("look for the consumer of "+f.Name, err); err != nil && !isNotFound(err) {
			return err
		}
	}
	return nil
}

// maxDescription is the longest description that a server takes, in bytes.
const maxDescription = 4096

// describe cuts a description off where it is too long: names may be longer.
func describe(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxDescription)], "")
}

func (s *Store) noteActivation(ctx context.Context, v multinode.Version, f multinode.FunctionSpec, last uint64) error {
	fresh := multinode.Function{
		Project: v.Project, Generation: v.Generation, Name: f.Name, MaxConcurrency: f.MaxConcurrency,
		// Whatever was stored before the first activation was meant for it too.
		Activations: []multinode.Activation{{Version: v.ID}},
	}
	key := functionKey(v.Project, v.Generation, f.Name)
	err := s.registry.create(ctx, key, fresh)
	if !errors.Is(err, ErrExists) {
		return err
	}
	_, err = update(ctx, s.registry, key, func(stored *multinode.Function) error {
		for _, a := range stored.Activations {
			if a.Version == v.ID {
				return errUnchanged
			}
		}
		stored.MaxConcurrency = f.MaxConcurrency
		stored.Activations = append(stored.Activations, multinode.Activation{Version: v.ID, AfterSequence: last})
		if extra := len(stored.Activations) - maxActivations; extra > 0 {
			stored.Activations = stored.Activations[extra:]
			stored.Activations[0].AfterSequence = 0
		}
		return nil
	})
	return err
}

// functionNames names all functions that the project may have streams of. A
// version knows its functions before they get streams; the note that they are
// deployed comes after those, and a crash may leave it out.
func (s *Store) functionNames(p multinode.Project) []string {
	names := map[string]struct{}{}
	for _, f := range all[multinode.Function](s.registry, join("function", p.Name, p.Generation)+".") {
		names[f.Name] = struct{}{}
	}
	for _, v := range all[multinode.Version](s.registry, join("version", p.Name, p.Generation)+".") {
		for _, f := range v.Functions {
			names[f.Name] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// Retire makes the functions of a project take no more requests, while those
// that wait can still be delivered and settled. It may be repeated.
func (s *Store) Retire(ctx context.Context, p multinode.Project) error {
	for _, name := range s.functionNames(p) {
		stream, err := s.js.Stream(ctx, requestStream(p.Name, p.Generation, name))
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		if err != nil {
			return classify("retire the function", err)
		}
		config := stream.CachedInfo().Config
		retired := []string{join(retiredSubjects, p.Generation, name) + ".*"}
		if slices.Equal(config.Subjects, retired) {
			continue
		}
		config.Subjects = retired
		if _, err := s.js.UpdateStream(ctx, config); err != nil {
			return classify("retire the function", err)
		}
		failpoint.Hit("streams.retired")
	}
	return nil
}

// Drained tells whether no request of the project waits or is being worked on.
func (s *Store) Drained(ctx context.Context, p multinode.Project) (bool, error) {
	for _, name := range s.functionNames(p) {
		consumer, err := s.js.Consumer(ctx, requestStream(p.Name, p.Generation, name), consumerName)
		if err = classify("look at the requests", err); isNotFound(err) {
			continue
		}
		if err != nil {
			return false, err
		}
		if info := consumer.CachedInfo(); info.NumPending > 0 || info.NumAckPending > 0 {
			return false, nil
		}
	}
	return true, nil
}
