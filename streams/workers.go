package streams

import (
	"context"
	"encoding/json"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"

	"multinode"
)

// Headers of the answer to a worker's hello.
const (
	headerDesired    = "Mn-Desired"
	headerAssignment = "Mn-Assignment"
)

// WorkerHandler answers workers. Every dispatcher hears all of them; one that
// has nothing to say of a worker returns false and stays silent.
type WorkerHandler interface {
	// Hello is a worker's announcement. The assignment is nil where it is to
	// leave. It may take its time.
	Hello(ctx context.Context, execution, incarnation string) (*multinode.Assignment, bool)
	// Beat must not block.
	Beat(execution string, b multinode.Beat) (multinode.Desired, bool)
}

// hello is what a worker says of itself when it announces itself.
type hello struct {
	Incarnation string `json:"incarnation"`
}

// ServeWorkers hands what workers say to the handler until ctx ends, and returns
// when the last call has.
func (s *Store) ServeWorkers(ctx context.Context, h WorkerHandler) error {
	var calls sync.WaitGroup
	hellos, err := s.nc.Subscribe(helloSubjects+".*", func(m *nats.Msg) {
		calls.Go(func() { s.answerHello(ctx, h, m) })
	})
	if err != nil {
		return classify("listen to workers", err)
	}
	beats, err := s.nc.Subscribe(beatSubjects+".*", func(m *nats.Msg) { s.answerBeat(h, m) })
	if err != nil {
		drain(hellos)
		return classify("listen to workers", err)
	}
	<-ctx.Done()
	drain(hellos)
	drain(beats)
	calls.Wait()
	return nil
}

func (s *Store) answerHello(ctx context.Context, h WorkerHandler, m *nats.Msg) {
	var said hello
	execution, err := FromToken(strings.TrimPrefix(m.Subject, helloSubjects+"."))
	if err != nil || json.Unmarshal(m.Data, &said) != nil || said.Incarnation == "" {
		return // not one of our workers
	}
	assignment, ok := h.Hello(ctx, execution, said.Incarnation)
	if !ok {
		return
	}
	answer := nats.NewMsg(m.Reply)
	if assignment == nil {
		answer.Header.Set(headerDesired, string(multinode.Leave))
	} else {
		header, err := json.Marshal(assignment)
		if err != nil {
			s.log.Error("an assignment cannot be sent", "execution_id", execution, "error", err)
			return
		}
		answer.Header.Set(headerAssignment, string(header))
		answer.Data = assignment.Input
	}
	if err := m.RespondMsg(answer); err != nil {
		s.log.Warn("a worker was not answered", "execution_id", execution, "error", err)
	}
}

func (s *Store) answerBeat(h WorkerHandler, m *nats.Msg) {
	var b multinode.Beat
	execution, err := FromToken(strings.TrimPrefix(m.Subject, beatSubjects+"."))
	if err != nil || json.Unmarshal(m.Data, &b) != nil {
		return
	}
	if desired, ok := h.Beat(execution, b); ok {
		if err := m.Respond([]byte(desired)); err != nil {
			s.log.Warn("a worker was not answered", "execution_id", execution, "error", err)
		}
	}
}

// Tell sends a worker what is wanted of it ahead of its next beat. It may get
// lost: the answer to the beat says the same.
func (s *Store) Tell(execution string, d multinode.Desired) error {
	return classify("tell a worker", s.nc.Publish(join(tellSubjects, execution), []byte(d)))
}
