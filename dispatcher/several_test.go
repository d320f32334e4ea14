package dispatcher_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"multinode"
)

func TestADispatcherAtAnotherPlaceAdoptsWhatRunsElsewhere(t *testing.T) {
	s := newSystem(t, waiter, fn("waiter"))
	folder := t.TempDir()
	k := s.invoke(s.deploy("p"), "waiter", folder, "a")
	s.untilLine(k, "a runs")
	before := s.until(k, "running", running)
	s.stop()
	defer s.startAt("elsewhere")()
	// It is interrupted by one that cannot see its process.
	_, _, err := s.store.RequestCancel(t.Context(), k)
	s.must(err)
	done := s.end(k)
	if done.Status != multinode.Cancelled || len(done.Executions) != 1 || done.Executions[0].ID != before.Executions[0].ID {
		t.Errorf("%+v\n%s", done, s.log(done))
	}
	if _, err := os.Stat(filepath.Join(folder, "a.ended")); err != nil {
		t.Errorf("its code was not interrupted: %v", err)
	}
}

func TestSeveralDispatchersRunEachInvocationOnce(t *testing.T) {
	const many = 24
	s := newSystem(t, prelude+`
@mn.function()
def once(folder, name):
    (pathlib.Path(folder) / (name + "." + os.environ["MULTINODE_EXECUTION_ID"])).touch()
    time.sleep(0.2)
    return name
`, fn("once", concurrency(6)))
	defer s.startAt("second")()
	stopThird := s.startAt("third")
	defer stopThird()
	p, folder := s.deploy("p"), t.TempDir()
	var keys []multinode.InvocationKey
	for i := range many {
		keys = append(keys, s.invoke(p, "once", folder, fmt.Sprintf("i%d", i)))
	}
	s.end(keys[0])
	stopThird() // what it has goes to the others
	for _, k := range keys {
		if done := s.end(k); done.Status != multinode.Succeeded || len(done.Executions) != 1 {
			t.Errorf("%+v\n%s", done, s.log(done))
		}
	}
	if ran, err := os.ReadDir(folder); err != nil || len(ran) != many {
		t.Errorf("%d workers ran, not %d: %v", len(ran), many, err)
	}
}
