package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestStatIsParsedWhateverTheName(t *testing.T) {
	const rest = " 7 8 9 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 THREADS 0 123456 1000 200 18446744073709551615"
	line := func(name, state, threads string) []byte {
		return []byte("42 (" + name + ") " + state + strings.Replace(rest, "THREADS", threads, 1))
	}
	want := entry{pid: 42, parent: 7, group: 8, session: 9, start: 123456}
	if got, err := parseStat(42, line("a) Z (b", "S", "3")); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := parseStat(42, line("x", "Z", "2")); err != nil || got != want {
		t.Errorf("first thread ended: %+v, %v", got, err)
	}
	want.zombie = true
	if got, err := parseStat(42, line("x", "Z", "1")); err != nil || got != want {
		t.Errorf("zombie: %+v, %v", got, err)
	}
	for _, bad := range []string{"", "42 (x", "42 (x) S 1 2", string(line("x", "S", "?"))} {
		if _, err := parseStat(42, []byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestStartTimesAreOfTheWallClock(t *testing.T) {
	before := time.Now()
	command := exec.Command("sleep", "100000")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = command.Process.Kill(); _ = command.Wait() }()
	e, err := lookup(command.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if at := startedAt(e.start); at.Before(before.Add(-2*time.Second)) || at.After(time.Now().Add(2*time.Second)) {
		t.Errorf("started at %v, not %v", at, before)
	}
}

func TestMemoryKillsAreCountedPerGroup(t *testing.T) {
	root := t.TempDir()
	defer func(old string) { cgroupRoot = old }(cgroupRoot)
	cgroupRoot = root
	events := func(group, content string) {
		if err := os.MkdirAll(filepath.Join(root, group), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, group, "memory.events"), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	events("a", "low 0\nhigh 0\nmax 5\noom 2\noom_kill 3\noom_group_kill 0\n")
	events("b", "low 0\n")
	for group, want := range map[string]uint64{"/a": 3, "a/../../a": 3, "/b": 0, "/c": 0} {
		if got, ok := readMemoryKills(group); got != want || ok != (want > 0) {
			t.Errorf("%s: %d, %v", group, got, ok)
		}
	}
	kills := memoryKills{seen: map[string]uint64{}}
	for i, step := range []struct {
		count uint64
		want  bool
	}{{0, false}, {1, true}, {1, false}, {3, true}, {3, false}} {
		if got := kills.grew("/a", step.count); got != step.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
}

func TestAFullDiskIsSaidAndPasses(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("needs the right to mount: %v", err)
	}
	defer func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }()
	project := t.TempDir()
	big := filepath.Join(project, "big")
	if err := os.WriteFile(big, make([]byte, 256<<10), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := New(DefaultOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	launchFull(t, p, project)
	if left, err := os.ReadDir(p.workersDir()); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
