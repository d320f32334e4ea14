package streams

import (
	"context"
	"encoding/json"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"

	"multinode"
	"multinode/internal/failpoint"
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
	Hello(ctx context.Context, k multinode.ExecutionKey, incarnation string) (*multinode.Assignment, bool)
	// Beat must not block.
	Beat(k multinode.ExecutionKey, b multinode.Beat) (multinode.Desired, bool)
}

// hello is what a worker says of itself when it announces itself.
type hello struct {
	Incarnation string `json:"incarnation"`
	// Key is that of the execution.
	Key string `json:"key,omitempty"`
}

// beat is a worker's sign of life, and whose it is.
type beat struct {
	multinode.Beat
	Key string `json:"key,omitempty"`
}

// speaker tells which execution a message on a worker's subject is about. The
// subject is what the worker's credentials allow; the rest of the key is what it
// says, and is left out where it does not fit.
func speaker(m *nats.Msg, prefix, key string) (multinode.ExecutionKey, error) {
	id, err := FromToken(strings.TrimPrefix(m.Subject, prefix+"."))
	if err != nil {
		return multinode.ExecutionKey{}, err
	}
	if k, err := ParseExecutionKey(key); err == nil && k.ID == id {
		return k, nil
	}
	return multinode.ExecutionKey{ID: id}, nil
}

// ServeWorkers hands what workers say to the handler until ctx ends, and returns
// when the last call has.
func (s *Store) ServeWorkers(ctx context.Context, h WorkerHandler) error {
	var calls sync.WaitGroup
	var turns helloTurns
	hellos, err := s.nc.Subscribe(helloSubjects+".*", func(m *nats.Msg) {
		if !turns.take(m.Subject) {
			return // it will say it again, and may not be a worker of ours at all
		}
		calls.Go(func() {
			defer turns.giveBack(m.Subject)
			s.answerHello(ctx, h, m)
		})
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

// hellosAtOnce is how many hellos of one worker are answered at the same time: it
// says another when it has waited too long for the answer to the last one.
const hellosAtOnce = 4

// helloTurns bounds what one worker can make a dispatcher do at a time.
type helloTurns struct {
	mu    sync.Mutex
	under map[string]int
}

func (t *helloTurns) take(subject string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.under[subject] == hellosAtOnce {
		return false
	}
	if t.under == nil {
		t.under = map[string]int{}
	}
	t.under[subject]++
	return true
}

func (t *helloTurns) giveBack(subject string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.under[subject]--; t.under[subject] == 0 {
		delete(t.under, subject)
	}
}

func (s *Store) answerHello(ctx context.Context, h WorkerHandler, m *nats.Msg) {
	var said hello
	if json.Unmarshal(m.Data, &said) != nil || said.Incarnation == "" {
		return // not one of our workers
	}
	k, err := speaker(m, helloSubjects, said.Key)
	if err != nil {
		return
	}
	assignment, ok := h.Hello(ctx, k, said.Incarnation)
	if !ok {
		return
	}
	answer := nats.NewMsg(m.Reply)
	if assignment == nil {
		answer.Header.Set(headerDesired, string(multinode.Leave))
	} else {
		header, err := json.Marshal(assignment)
		if err != nil {
			s.log.Error("an assignment cannot be sent", "execution_id", k.ID, "error", err)
			return
		}
		answer.Header.Set(headerAssignment, string(header))
		answer.Data = assignment.Input
	}
	if err := m.RespondMsg(answer); err != nil {
		s.log.Warn("a worker was not answered", "execution_id", k.ID, "error", err)
	}
	failpoint.Hit("streams.input_sent")
}

func (s *Store) answerBeat(h WorkerHandler, m *nats.Msg) {
	var b beat
	if json.Unmarshal(m.Data, &b) != nil {
		return
	}
	k, err := speaker(m, beatSubjects, b.Key)
	if err != nil {
		return
	}
	if desired, ok := h.Beat(k, b.Beat); ok {
		if err := m.Respond([]byte(desired)); err != nil {
			s.log.Warn("a worker was not answered", "execution_id", k.ID, "error", err)
		}
	}
}

// Tell sends a worker what is wanted of it ahead of its next beat. It may get
// lost: the answer to the beat says the same.
func (s *Store) Tell(execution string, d multinode.Desired) error {
	return classify("tell a worker", s.nc.Publish(join(tellSubjects, execution), []byte(d)))
}
