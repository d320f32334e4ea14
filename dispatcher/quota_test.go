package dispatcher_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"multinode"
	"multinode/streams"
)

func TestARetryDoesNotWaitBehindTheQueue(t *testing.T) {
	s := newSystem(t, prelude+`
@mn.function(max_retries=1)
def note(file, name):
    with open(file, "a+") as f:
        f.write(name + "\n")
        f.seek(0)
        if name == "flaky" and f.read().count("flaky") == 1:
            raise ValueError("not yet")
`, fn("note", concurrency(1), retries(1)))
	p, file := s.deploy("p"), filepath.Join(t.TempDir(), "order")
	names := []string{"flaky", "second", "third", "fourth"}
	var keys []multinode.InvocationKey
	for _, name := range names {
		keys = append(keys, s.invoke(p, "note", file, name))
	}
	for _, k := range keys {
		s.end(k)
	}
	order, err := os.ReadFile(file)
	s.must(err)
	if got, want := strings.Fields(string(order)), "flaky flaky second third fourth"; strings.Join(got, " ") != want {
		t.Errorf("they ran as %v", got)
	}
}

func (s *system) requota(p multinode.Project, limit int) {
	s.t.Helper()
	s.build.functions.Store(&[]multinode.FunctionSpec{fn("waiter", concurrency(limit))})
	s.upgrade(p)
}

func TestTheQuotaIsRaisedAndLoweredLive(t *testing.T) {
	s := newSystem(t, waiter, fn("waiter", concurrency(1)))
	p, folder := s.deploy("p"), t.TempDir()
	first := s.invoke(p, "waiter", folder, "first")
	s.until(first, "running", running)
	second, third := s.invoke(p, "waiter", folder, "second"), s.invoke(p, "waiter", folder, "third")
	s.requota(p, 3)
	s.until(second, "running", running)
	s.until(third, "running", running)

	s.requota(p, 1)
	fourth := s.invoke(p, "waiter", folder, "fourth")
	release(t, folder, "fourth")
	var last multinode.Execution
	for name, k := range map[string]multinode.InvocationKey{"first": first, "second": second, "third": third} {
		if r := s.until(k, "running on", running); len(r.Executions) != 1 {
			t.Errorf("%s was touched: %+v", name, r)
		}
		release(t, folder, name)
		done := s.end(k)
		if done.Status != multinode.Succeeded || len(done.Executions) != 1 {
			t.Errorf("%s: %+v\n%s", name, done, s.log(done))
		}
		if x := done.Executions[0]; last.EndedAt == nil || x.EndedAt.After(*last.EndedAt) {
			last = x
		}
	}
	if done := s.end(fourth); done.Executions[0].CreatedAt.Before(*last.EndedAt) {
		t.Errorf("the fourth began at %v, the last of three ended at %v", done.Executions[0].CreatedAt, last.EndedAt)
	}
}

func TestNeverMoreThanTheQuotaIsLiveInTheRecords(t *testing.T) {
	const limit, many = 3, 30
	s := newSystem(t, prelude+`
@mn.function(max_retries=1)
def work(n):
    time.sleep(0.05)
    if n % 3 == 0:
        raise ValueError("again")
`, fn("work", concurrency(limit), retries(1)))
	most, allEnded := 0, make(chan struct{})
	live, ended := map[multinode.InvocationKey]bool{}, map[multinode.InvocationKey]bool{}
	go func() {
		after := uint64(0)
		note := func(changes []streams.Change) error {
			for _, c := range changes {
				after = c.Revision
				if c.Record == nil {
					continue
				}
				delete(live, c.Key)
				if _, ok := c.Record.Live(); ok {
					live[c.Key] = true
				}
				most = max(most, len(live))
				if c.Record.Status.Terminal() {
					ended[c.Key] = true
				}
			}
			if len(ended) == many {
				close(allEnded)
				return io.EOF
			}
			return nil
		}
		for err := error(nil); t.Context().Err() == nil && !errors.Is(err, io.EOF); { // it ends when the server is late, too
			err = s.store.Changes(t.Context(), after, note)
		}
	}()
	p := s.deploy("p")
	second := s.startAt("second")
	var keys []multinode.InvocationKey
	for i := range many {
		keys = append(keys, s.invoke(p, "work", i))
	}
	// What the dispatchers give back in the middle of it is delivered again.
	s.end(keys[4])
	s.stop()
	s.start()
	s.end(keys[9])
	second()
	for _, k := range keys {
		s.end(k)
	}
	<-allEnded
	if most > limit {
		t.Errorf("%d were live at a time", most)
	}
}

func TestOneOfThousandsInLineIsCancelledAtOnce(t *testing.T) {
	const many = 2000
	s := newSystem(t, waiter, fn("waiter", concurrency(1)))
	p, folder := s.deploy("p"), t.TempDir()
	s.until(s.invoke(p, "waiter", folder, "first"), "running", running)
	for range many {
		s.invoke(p, "waiter", folder, "ahead")
	}
	record, _, err := s.store.RequestCancel(t.Context(), s.invoke(p, "waiter", folder, "last"))
	s.must(err)
	if record.Status != multinode.Cancelled || len(record.Executions) != 0 {
		t.Errorf("%+v", record)
	}
	// Others must not start behind it: no worker outlives the test.
	release(t, folder, "ahead")
	s.undeploy(p)
}
