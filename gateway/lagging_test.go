package gateway_test

import (
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"multinode"
	"multinode/gateway"
	"multinode/wire"
)

// lagging is a server that knows one record as it was.
type lagging struct {
	mu       sync.Mutex
	record   multinode.Invocation
	revision uint64
}

func (l *lagging) freeze(record multinode.Invocation, revision uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.record, l.revision = record, revision
}

func (l *lagging) read(k multinode.InvocationKey) (multinode.Invocation, uint64, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.record, l.revision, l.record.Key == k
}

// On a cluster a record may be read from a server that lags behind the one that told
// of a change. Who waits must not take the old state for news, and wait on in vain.
func TestThoseWhoWaitAreNotFooledByAServerThatLags(t *testing.T) {
	behind := &lagging{}
	s := start(t, func(o *gateway.Options) { o.LagBehind(behind.read) })
	p, _ := s.deploy("p", spec("f"))
	for name, ends := range map[string]func(path string) wire.Status{
		"a long-poll": func(path string) wire.Status {
			var info wire.InvocationInfo
			s.get(path+"?wait=20").is(http.StatusOK, &info)
			return info.Status
		},
		"a long-poll that begins too late": func(path string) wire.Status {
			revision, err := s.store.RecordsRevision(t.Context())
			s.must(err)
			s.must(s.index.WaitFor(t.Context(), revision))
			var info wire.InvocationInfo
			s.get(path+"?wait=20").is(http.StatusOK, &info)
			return info.Status
		},
		"an event stream": func(path string) wire.Status {
			return next[wire.InvocationInfo](t, s.events(path+"/events"), wire.EventEnd).Status
		},
	} {
		path, k := s.invoke(p, "f", "1")
		x := s.run(k)
		record, revision, err := s.store.CurrentRevision(t.Context(), k)
		s.must(err)
		behind.freeze(record, revision)
		end := func() {
			_, _, stored := s.store.PutOutcome(t.Context(), x, multinode.Outcome{Kind: multinode.OutcomeSucceeded, Output: []byte("1")})
			_, _, applied := s.store.Apply(t.Context(), k, multinode.ExecutionEnded{
				Execution: x.ID, Outcome: multinode.OutcomeSucceeded, At: time.Now().UTC(),
			})
			if err := errors.Join(stored, applied); err != nil {
				t.Error(err)
			}
		}
		if name == "a long-poll that begins too late" {
			end()
		} else {
			go func() {
				for s.serves.Waiters() == 0 {
					time.Sleep(time.Millisecond)
				}
				end()
			}()
		}
		if got := ends(path); got != wire.StatusSucceeded {
			t.Errorf("%s says %s", name, got)
		}
	}
}
