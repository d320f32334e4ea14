package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"multinode"
	"multinode/client"
	"multinode/wire"
)

// projectName is that of the project that stays.
const projectName = "faults"

// kinds are the functions, as often as they are to be chosen.
var kinds = []string{
	"quick", "quick", "quick", "slow", "slow", "slow", "slow", "steps", "steps", "fails", "crashes", "retried", "retried",
	"spawns", "spawns", "family", "family", "sleeps", "sleeps", "sleeps", "leaves", "overruns", directly, malformed,
}

const (
	// directly publishes a request for quick to NATS itself.
	directly = "directly"
	// malformed does so with a request that cannot be run.
	malformed = "malformed"
)

// load is what clients do.
type load struct {
	*ledger
	dice *dice
	apis func() *client.Client
	nats *nats.Conn
	dir  string // for what user code leaves to itself
	// calm tells clients to start nothing for now; it may be nil.
	calm func() bool
	// left is called when a project has gone; it may be nil.
	left func(ctx context.Context, project string)
	// here has the names of projects that have come and not gone yet.
	here sync.Map
}

const (
	// callPatience bounds one call. opPatience is how long it may take to get through
	// with one, and with all that was begun, once nothing is disturbed any more.
	callPatience = 8 * time.Second
	opPatience   = 5 * time.Minute
	// breath is the pause of a client between two tries.
	breath = 50 * time.Millisecond
)

// run lets clients work until ctx ends, and lets each finish what it has begun,
// as long as life goes on: what it has to cancel is cancelled in the end.
func (l *load) run(ctx, life context.Context, clients int) {
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for ctx.Err() == nil {
				if l.calm != nil && l.calm() {
					wait(ctx, time.Second)
					continue
				}
				l.once(life)
				wait(ctx, time.Duration(l.dice.next(300))*time.Millisecond)
			}
		})
	}
	all.Wait()
}

func (l *load) once(ctx context.Context) {
	function := kinds[l.dice.next(len(kinds))]
	s, err := l.start(ctx, function, 1+l.dice.next(4))
	if err != nil {
		l.violation("a start of %s: %v", function, err)
	}
	if s == nil {
		return
	}
	if endless(s.function) || l.dice.next(12) == 0 {
		l.watch(ctx, s, time.Duration(l.dice.next(1500))*time.Millisecond)
		l.cancel(ctx, s)
		return
	}
	l.watch(ctx, s, time.Duration(l.dice.next(2500))*time.Millisecond)
}

// endless tells whether a function ends only when it is cancelled.
func endless(function string) bool {
	return function == "sleeps" || function == "family" || function == "occupies"
}

// start starts an invocation and notes it. It returns nil where the answer was
// not waited for.
func (l *load) start(ctx context.Context, function string, n int) (*started, error) {
	if function == directly || function == malformed {
		return l.publish(ctx, function, n)
	}
	key := multinode.NewID("key")
	input := fmt.Sprintf("[[%d], {}]", n)
	if function == "retried" {
		path, _ := json.Marshal(filepath.Join(l.dir, key))
		input = fmt.Sprintf("[[%s, %d], {}]", path, n)
	}
	var info wire.InvocationInfo
	gaveUp := false
	err := l.insist(ctx, func(ctx context.Context) error {
		var err error
		info, err = l.apis().Start(ctx, client.Function{Project: projectName, Name: function}, wire.InvocationDefinition{Input: input}, key)
		if err != nil && !endless(function) && l.dice.next(100) == 0 {
			gaveUp = true // it may have been accepted all the same, and nobody can cancel it
			return nil
		}
		return err
	})
	if gaveUp && err == nil && info.InvocationID == "" {
		l.mu.Lock()
		l.lost++
		l.mu.Unlock()
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s := &started{function: function, id: info.InvocationID, n: n}
	l.add(s)
	return s, nil
}

// publish starts an invocation as a program without the REST API may.
func (l *load) publish(ctx context.Context, function string, n int) (*started, error) {
	s := &started{function: function, id: multinode.NewID(multinode.InvocationPrefix), n: n}
	m := nats.NewMsg("mn.invoke." + projectName + ".quick." + s.id)
	m.Data = fmt.Appendf(nil, "[[%d], {}]", n)
	if function == malformed {
		m.Header.Set("Mn-Lineage", "{")
	}
	err := l.insist(ctx, func(ctx context.Context) error {
		answer, err := l.nats.RequestMsgWithContext(ctx, m)
		if err != nil {
			return &client.UnreachableError{Op: "publish", Err: err}
		}
		var ack struct {
			Error *struct {
				Code        int    `json:"err_code"`
				Description string `json:"description"`
			} `json:"error"`
		}
		if err := json.Unmarshal(answer.Data, &ack); err != nil {
			return err
		}
		if ack.Error != nil && ack.Error.Code != 10077 { // that an earlier try was stored
			return &client.UnreachableError{Op: "publish", Err: errors.New(ack.Error.Description)}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	l.add(s)
	return s, nil
}

// invocation names it in the REST API.
func (s *started) invocation() client.Invocation {
	function := s.function
	if function == directly || function == malformed {
		function = "quick"
	}
	return client.Function{Project: projectName, Name: function}.Invocation(s.id)
}

// watch reads the invocation until it has ended or the time is over.
func (l *load) watch(ctx context.Context, s *started, limit time.Duration) {
	if s.function == malformed {
		return
	}
	until := time.Now().Add(limit)
	for time.Now().Before(until) {
		info, err := l.apis().WaitInvocation(ctx, s.invocation(), time.Second, nil)
		if err == nil {
			l.seen(s, info.Status)
			if info.Status.Terminal() {
				return
			}
		} else if !passing(err) {
			l.violation("a read of %s (%s), which was accepted: %v", s.id, s.function, err)
			return
		}
		wait(ctx, breath)
	}
}

// cancel asks for an invocation's end until it gets an answer.
func (l *load) cancel(ctx context.Context, s *started) {
	l.note(s, func(s *started) { s.cancelled = true })
	err := l.insist(ctx, func(ctx context.Context) error {
		_, err := l.apis().Cancel(ctx, s.invocation())
		return err
	})
	if err != nil && !errors.Is(err, wire.InvocationIsAlreadyTerminated) {
		l.violation("a cancel of %s (%s), which was accepted: %v", s.id, s.function, err)
	}
}

// insist repeats a call while the reason of its failure may pass.
func (l *load) insist(ctx context.Context, call func(context.Context) error) error {
	for {
		once, cancel := context.WithTimeout(ctx, callPatience)
		err := call(once)
		cancel()
		if err == nil || !passing(err) || ctx.Err() != nil {
			return err
		}
		wait(ctx, breath)
	}
}

// passing tells whether a failure of a call is one that crashes may cause.
func passing(err error) bool {
	var down *client.UnreachableError
	var answer *client.Error
	switch {
	case errors.As(err, &answer):
		switch answer.Status {
		case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	case errors.As(err, &down):
		return true
	}
	return errors.Is(err, context.DeadlineExceeded)
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// asked is insist for a call with an answer.
func asked[T any](ctx context.Context, l *load, call func(context.Context) (T, error)) (answer T, err error) {
	ctx, cancel := context.WithTimeout(ctx, opPatience)
	defer cancel()
	err = l.insist(ctx, func(ctx context.Context) error {
		answer, err = call(ctx)
		return err
	})
	return answer, err
}
