package provisiontest

import (
	"strings"
	"testing"
)

func exitOfOwn(t *testing.T, b *bench) {
	p := b.open(t, 0)
	worker := b.start(t, p)
	worker.do(t, "print the disk fell out")
	worker.order(t, "exit 3")
	exit := p.awaitExits(t, worker.ExecutionID, 1)
	worker.awaitGone(t)
	if exit.OutOfMemory || !strings.Contains(exit.Detail, "code 3") || !strings.Contains(exit.Detail, "the disk fell out") {
		t.Errorf("the notice does not explain the end: %+v", exit)
	}
	if w, listed := p.find(t, worker.ExecutionID); !listed || w.Alive || !w.Started {
		t.Errorf("listed as %+v (%v)", w, listed)
	}
}

func exitOfAdopted(t *testing.T, b *bench) {
	p := b.open(t, 0)
	worker := b.start(t, p)
	p.close(t)
	p = b.open(t, 0)
	worker.do(t, "print the disk fell out")
	worker.order(t, "exit 3")
	exit := p.awaitExits(t, worker.ExecutionID, 1)
	if !strings.Contains(exit.Detail, "the disk fell out") {
		t.Errorf("the notice does not explain the end: %+v", exit)
	}
}

func exitUnseen(t *testing.T, b *bench) {
	p := b.open(t, 0)
	worker := b.start(t, p)
	p.close(t)
	worker.order(t, "exit 3")
	worker.awaitGone(t)
	p = b.open(t, 0)
	p.awaitExits(t, worker.ExecutionID, 1)
	if w, listed := p.find(t, worker.ExecutionID); !listed || w.Alive {
		t.Errorf("listed as %+v (%v)", w, listed)
	}
}

func exitRepeated(t *testing.T, b *bench) {
	p := b.open(t, 0)
	worker := b.start(t, p)
	worker.order(t, "exit 0")
	p.awaitExits(t, worker.ExecutionID, 1)
	p.close(t)
	p = b.open(t, 0)
	p.awaitExits(t, worker.ExecutionID, 1)
	p.stop(t, worker.ExecutionID, 0)
	if _, listed := p.find(t, worker.ExecutionID); listed {
		t.Error("it is still listed after stop")
	}
	if b.place.EndedAreShownAgain {
		return
	}
	p.close(t)
	p = b.open(t, 0)
	if _, listed := p.find(t, worker.ExecutionID); listed {
		t.Error("it is still listed after stop")
	}
	p.close(t)
	if len(p.exits) > 0 {
		t.Errorf("notices after stop: %+v", p.exits)
	}
}

func exitByKill(t *testing.T, b *bench) {
	p := b.open(t, 0)
	worker := b.start(t, p)
	worker.order(t, "die")
	exit := p.awaitExits(t, worker.ExecutionID, 1)
	if !strings.Contains(exit.Detail, "SIGKILL") && !strings.Contains(exit.Detail, "137") {
		t.Errorf("the notice does not explain the end: %+v", exit)
	}
}

func leftovers(t *testing.T, b *bench) {
	p := b.open(t, 0)
	worker := b.start(t, p)
	var left []*peer
	for _, how := range []string{"plain", "group", "session"} {
		worker.do(t, "spawn "+how)
		left = append(left, b.hub.await(t, worker.ExecutionID, childRole))
	}
	worker.order(t, "die")
	p.awaitExits(t, worker.ExecutionID, 1)
	for _, child := range left {
		child.awaitGone(t)
	}
}
