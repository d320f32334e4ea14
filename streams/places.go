package streams

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// placePatience is how long the answer of a place is waited for.
	placePatience = 2 * time.Second
	// placeBacklog bounds the questions that wait for an answer. Who gets none asks
	// again.
	placeBacklog = 1024
	// placeAlive and placeGone are the answers.
	placeAlive, placeGone = "alive", "gone"
)

// WorkerExit is the end of a worker as the dispatcher at its place saw it.
type WorkerExit struct {
	Execution   string `json:"execution"`
	OutOfMemory bool   `json:"out_of_memory,omitempty"`
	Detail      string `json:"detail,omitempty"`
	// NotStarted is true where nothing of it ever ran, for a cause of this kind.
	NotStarted bool `json:"not_started,omitempty"`
	Why        int  `json:"why,omitempty"`
}

// placeSubject is where a place is asked. Its name may be long, and hold anything.
func placeSubject(place string) string {
	sum := sha256.Sum256([]byte(place))
	return placeSubjects + "." + hex.EncodeToString(sum[:])
}

// AskPlace asks the dispatchers at a place whether a worker of the execution lives
// there. It returns an error where none of them answers within two seconds.
func (s *Store) AskPlace(ctx context.Context, place, execution string) (alive bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, placePatience)
	defer cancel()
	m, err := s.nc.RequestWithContext(ctx, placeSubject(place), []byte(execution))
	if err != nil {
		return false, classify("ask the place of a worker", err)
	}
	return string(m.Data) != placeGone, nil
}

// ServePlace answers for a place until ctx ends. alive returns those of the
// executions that have, or may be about to have, a living worker there; an error of
// it leaves the questions unanswered. Questions that wait are answered together.
func (s *Store) ServePlace(ctx context.Context, place string, alive func(ctx context.Context, executions []string) (map[string]bool, error)) error {
	questions := make(chan *nats.Msg, placeBacklog)
	sub, err := s.nc.ChanSubscribe(placeSubject(place), questions)
	if err != nil {
		return classify("answer for a place", err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	for {
		var asked []*nats.Msg
		select {
		case m := <-questions:
			asked = append(asked, m)
		case <-ctx.Done():
			return nil
		}
		for len(questions) > 0 {
			asked = append(asked, <-questions)
		}
		s.answerForPlace(ctx, asked, alive)
	}
}

func (s *Store) answerForPlace(ctx context.Context, asked []*nats.Msg, alive func(context.Context, []string) (map[string]bool, error)) {
	executions := make([]string, len(asked))
	for i, m := range asked {
		executions[i] = string(m.Data)
	}
	living, err := alive(ctx, executions)
	if err != nil {
		if ctx.Err() == nil {
			s.log.Warn("whether workers live here could not be told", "error", err)
		}
		return
	}
	for i, m := range asked {
		answer := placeGone
		if living[executions[i]] {
			answer = placeAlive
		}
		if err := m.Respond([]byte(answer)); err != nil {
			s.log.Warn("whether a worker lives here was not told", "execution_id", executions[i], "error", err)
		}
	}
}

// TellExit tells all dispatchers that a worker has ended. It may get lost: the owner
// of a silent worker asks its place.
func (s *Store) TellExit(e WorkerExit) error {
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return classify("tell the end of a worker", s.nc.Publish(exitSubject, data))
}

// FollowExits calls seen for every end that a dispatcher tells until ctx ends. seen
// must not block.
func (s *Store) FollowExits(ctx context.Context, seen func(WorkerExit)) error {
	sub, err := s.nc.Subscribe(exitSubject, func(m *nats.Msg) {
		var e WorkerExit
		if json.Unmarshal(m.Data, &e) == nil {
			seen(e)
		}
	})
	if err != nil {
		return classify("follow the ends of workers", err)
	}
	context.AfterFunc(ctx, func() { _ = sub.Unsubscribe() })
	return nil
}
