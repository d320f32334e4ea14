package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"multinode/dispatcher/provision"
)

func launchFull(t *testing.T, p *Provisioner, project string) {
	t.Helper()
	_, err := p.Launch(t.Context(), provision.Intent{
		ExecutionID: "exe-1",
		Code:        provision.Code{ProjectDir: project, Python: "/bin/sh"},
	})
	if !errors.Is(err, syscall.ENOSPC) || provision.KindOf(err) != provision.Transient || provision.RetryAfter(err) == 0 {
		t.Errorf("launch on a full disk: %v", err)
	}
	if err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("the message does not say why: %v", err)
	}
}

func TestCausesDecideTheKind(t *testing.T) {
	for cause, want := range map[error]provision.Kind{
		syscall.EAGAIN:           provision.NoCapacity,
		syscall.ENOMEM:           provision.NoCapacity,
		syscall.EMFILE:           provision.NoCapacity,
		syscall.ENFILE:           provision.NoCapacity,
		syscall.ENOSPC:           provision.Transient,
		syscall.EIO:              provision.Transient,
		context.DeadlineExceeded: provision.Transient,
		errStays:                 provision.Transient,
	} {
		err := failure(fmt.Errorf("launching: %w", &os.PathError{Op: "fork/exec", Path: shell, Err: cause}))
		var typed *provision.Error
		if !errors.As(err, &typed) || typed.Kind != want || !strings.Contains(err.Error(), cause.Error()) {
			t.Errorf("%v: %v", cause, err)
		}
	}
	if err := failure(fmt.Errorf("launching: %w", full(3))); provision.KindOf(err) != provision.NoCapacity {
		t.Errorf("an error with a kind: %v", err)
	}
	if failure(nil) != nil {
		t.Error("no error became one")
	}
}

func TestWhatBelongsToAWorker(t *testing.T) {
	runner := identity{pid: 100, start: 50, boot: "b"}
	e := func(pid, parent, group, session int, start uint64) entry {
		return entry{pid: pid, parent: parent, group: group, session: session, start: start}
	}
	alive := e(100, 1, 100, 100, 50)
	cases := map[string]struct {
		table  []entry
		marked []int
		change func(*belonging)
		want   []int
	}{
		"children, sessions and groups of the runner": {
			table: []entry{alive, e(101, 100, 101, 100, 51), e(102, 1, 102, 100, 52), e(103, 101, 103, 103, 53), e(104, 103, 104, 104, 54)},
			want:  []int{101, 102, 103, 104},
		},
		"what is marked, and what it leads": {
			table:  []entry{e(200, 1, 200, 200, 60), e(201, 1, 200, 200, 61), e(202, 1, 202, 200, 62), e(203, 201, 203, 203, 63), e(300, 1, 300, 300, 64)},
			marked: []int{200},
			want:   []int{200, 201, 202, 203},
		},
		"nothing older than the runner, though it seems to be": {
			table:  []entry{alive, e(10, 100, 100, 100, 49)},
			marked: []int{10},
		},
		"the session of a runner that has just ended": {
			table:  []entry{e(101, 1, 101, 100, 51)},
			change: func(b *belonging) { b.seenAlive = true },
			want:   []int{101},
		},
		"not a session that may be another's": {
			table: []entry{e(101, 1, 101, 100, 51)},
		},
		"not the session of who got the runner's pid": {
			table:  []entry{e(100, 1, 100, 100, 70), e(101, 100, 101, 100, 71)},
			change: func(b *belonging) { b.seenAlive = true },
		},
		"the named group": {
			table:  []entry{e(400, 1, 400, 400, 60), e(401, 1, 400, 400, 61), e(402, 1, 402, 402, 62)},
			change: func(b *belonging) { b.leader = 400 },
			want:   []int{400, 401},
		},
		"what was found earlier": {
			table:  []entry{e(500, 1, 500, 500, 60), e(501, 1, 501, 501, 61)},
			change: func(b *belonging) { b.known[identity{pid: 500, start: 60, boot: "b"}] = true },
			want:   []int{500},
		},
		"not a pid that was found earlier and reused": {
			table:  []entry{e(500, 1, 500, 500, 80)},
			change: func(b *belonging) { b.known[identity{pid: 500, start: 60, boot: "b"}] = true },
		},
		"never the first process or this one": {
			table:  []entry{e(1, 0, 1, 1, 60), e(os.Getpid(), 100, 100, 100, 60), alive},
			marked: []int{1, os.Getpid()},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b := belonging{runner: runner, variable: "x=y", known: map[identity]bool{}}
			if c.change != nil {
				c.change(&b)
			}
			var got []int
			for _, found := range b.find(c.table, func(pid int, _ string) bool {
				for _, marked := range c.marked {
					if pid == marked {
						return true
					}
				}
				return false
			}) {
				got = append(got, found.pid)
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("%v, not %v", got, c.want)
			}
		})
	}
}

func TestAYoungerLeaderIsNotTheNamedGroup(t *testing.T) {
	process, err := os.StartProcess(shell, []string{shell, "-c", "read x"}, &os.ProcAttr{Sys: &syscall.SysProcAttr{Setpgid: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = process.Kill(); _, _ = process.Wait() }()
	f := folder{path: t.TempDir()}
	w := &worker{folder: f}
	if err := os.WriteFile(f.groupFile(), []byte(fmt.Sprintln(process.Pid)), 0o600); err != nil {
		t.Fatal(err)
	}
	if b := w.belonging(); b.leader != process.Pid {
		t.Errorf("leader %d, not %d", b.leader, process.Pid)
	}
	long := time.Now().Add(-time.Minute)
	if err := os.Chtimes(f.groupFile(), long, long); err != nil {
		t.Fatal(err)
	}
	if b := w.belonging(); b.leader != 0 {
		t.Errorf("leader %d, although it is younger than the file that names it", b.leader)
	}
	for _, bad := range []string{"", "x", "-5", "1", "0", strings.Repeat("1", 100)} {
		if err := os.WriteFile(f.groupFile(), []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, ok := f.group(); ok {
			t.Errorf("%q was accepted", bad)
		}
	}
}
