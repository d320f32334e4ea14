package dispatcher_test

import (
	"fmt"
	"testing"
	"time"

	"multinode"
)

func link(k multinode.InvocationKey) multinode.Ancestor {
	return multinode.Ancestor{Function: k.Function, ID: k.ID}
}

// inLine starts an invocation that waits behind others, and makes its record.
func (s *system) inLine(p multinode.Project, lineage []multinode.Ancestor, folder, name string) multinode.InvocationKey {
	s.t.Helper()
	k := s.invokeAs(p, "waiter", lineage, folder, name)
	_, _, err := s.store.Record(s.t.Context(), k)
	s.must(err)
	return k
}

func (s *system) cancel(k multinode.InvocationKey) {
	s.t.Helper()
	_, _, err := s.store.RequestCancel(s.t.Context(), k)
	s.must(err)
}

func (s *system) cancelled(keys ...multinode.InvocationKey) {
	s.t.Helper()
	for _, k := range keys {
		if done := s.end(k); done.Status != multinode.Cancelled {
			s.t.Errorf("%+v\n%s", done, s.log(done))
		}
	}
}

func TestACancelReachesTheDeepestDescendant(t *testing.T) {
	s := newSystem(t, waiter, fn("waiter", concurrency(3)))
	p, folder := s.deploy("p"), t.TempDir()
	var keys []multinode.InvocationKey
	var lineage []multinode.Ancestor
	for depth := range multinode.MaxDepth + 1 {
		k := s.inLine(p, lineage, folder, fmt.Sprint(depth))
		keys, lineage = append(keys, k), append(lineage, link(k))
	}
	for _, k := range keys[:3] { // the others wait in line
		s.until(k, "running", running)
	}
	s.cancel(keys[0])
	s.cancelled(keys...)
}

// stubborn goes on when it is interrupted, and keeps its slot for as long.
const stubborn = prelude + `
@mn.function()
def waiter(folder, name):
    while True:
        try:
            print(name, "runs")
            while not (pathlib.Path(folder) / (name + ".go")).exists():
                time.sleep(0.01)
            return name
        except BaseException:
            print(name, "was interrupted")
`

func TestACancelReachesBelowChildrenThatHaveEnded(t *testing.T) {
	s := newSystem(t, stubborn, fn("waiter", concurrency(2)))
	p, folder := s.deploy("p"), t.TempDir()
	root := s.invoke(p, "waiter", folder, "root")
	s.untilLine(root, "root runs")
	release(t, folder, "child")
	child := s.invokeAs(p, "waiter", []multinode.Ancestor{link(root)}, folder, "child")
	s.end(child)
	other := s.invoke(p, "waiter", folder, "other")
	s.until(other, "running", running)
	grandchild := s.inLine(p, []multinode.Ancestor{link(root), link(child)}, folder, "grandchild")
	s.cancel(root)
	s.cancelled(grandchild)                   // though no slot becomes free
	s.untilLine(root, "root was interrupted") // what it returned before would count
	release(t, folder, "root")
	s.cancelled(root)
	release(t, folder, "other")
	s.end(other)
}

func TestACancelReachesChildrenThatAreStartedWhileItIsUnderWay(t *testing.T) {
	s := newSystem(t, stubborn, fn("waiter", concurrency(1)))
	p, folder := s.deploy("p"), t.TempDir()
	parent := s.invoke(p, "waiter", folder, "parent")
	s.untilLine(parent, "parent runs")
	s.cancel(parent)
	s.untilLine(parent, "parent was interrupted")
	// The parent's code goes on in its grace, and takes the only slot.
	child := s.inLine(p, []multinode.Ancestor{link(parent)}, folder, "child")
	grandchild := s.inLine(p, []multinode.Ancestor{link(parent), link(child)}, folder, "grandchild")
	s.cancelled(child, grandchild)
	if r, _, err := s.store.Record(t.Context(), parent); err != nil || r.Status != multinode.Cancelling {
		t.Errorf("they had to wait for their parent's end: %s, %v", r.Status, err)
	}
	release(t, folder, "parent")
	// What it returned within its grace is kept.
	if done := s.end(parent); done.Status != multinode.Cancelled || string(s.outcome(done).Output) != `"parent"` {
		t.Errorf("%+v\n%s", done, s.log(done))
	}
}

func TestATimedOutParentTakesItsDescendantsAlongAndAFailedOneLeavesThem(t *testing.T) {
	s := newSystem(t, prelude+`
@mn.function()
def slow():
    time.sleep(600)

@mn.function()
def fails(folder):
    while not (pathlib.Path(folder) / "fail").exists():
        time.sleep(0.01)
    raise ValueError("no")

@mn.function()
def waiter(folder, name):
    while not (pathlib.Path(folder) / (name + ".go")).exists():
        time.sleep(0.01)
`, fn("slow", timeout(time.Second)), fn("fails"), fn("waiter", concurrency(2)))
	p, folder := s.deploy("p"), t.TempDir()
	failing := s.invoke(p, "fails", folder)
	left := s.invokeAs(p, "waiter", []multinode.Ancestor{link(failing)}, folder, "left")
	s.until(left, "running", running)
	touch(t, folder, "fail")
	if done := s.end(failing); done.Status != multinode.Failed {
		t.Errorf("%+v", done)
	}
	slow := s.invoke(p, "slow")
	child := s.invokeAs(p, "waiter", []multinode.Ancestor{link(slow)}, folder, "child")
	s.until(child, "running", running)
	waiting := s.inLine(p, []multinode.Ancestor{link(slow), link(child)}, folder, "waiting")
	if done := s.end(slow); done.Status != multinode.TimedOut {
		t.Errorf("%+v", done)
	}
	s.cancelled(child, waiting)
	release(t, folder, "left")
	if done := s.end(left); done.Status != multinode.Succeeded {
		t.Errorf("%+v\n%s", done, s.log(done))
	}
}

func TestTheNextDispatcherCarriesOnACancel(t *testing.T) {
	s := newSystem(t, waiter, fn("waiter", concurrency(1)))
	p, folder := s.deploy("p"), t.TempDir()
	other := s.invoke(p, "waiter", folder, "other")
	s.until(other, "running", running)
	root := s.inLine(p, nil, folder, "root")
	child := s.inLine(p, []multinode.Ancestor{link(root)}, folder, "child")
	s.stop()
	s.cancel(root) // nobody hears of it
	s.start()
	s.cancelled(root, child)
	release(t, folder, "other")
	s.end(other)
}
