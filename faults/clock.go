package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The wall clock of a machine cannot be stepped for a few processes only, and the
// Go runtime asks the kernel without any library in between. So the binary is built
// with a package time of its own, in which Now is wrong by as much as a file says.
// All of the binary sees that, the NATS server in it as well; the monotonic clock
// goes on, as it does when a real clock is stepped.
const (
	timeNow     = "sec, nsec, mono := runtimeNow()"
	timeStepped = "sec, nsec, mono := stepped(runtimeNow())"
	timeStep    = `package time

import "sync/atomic"

var step atomic.Int64

// Step makes the wall clock wrong by so much, from now on.
func Step(by Duration) { step.Store(int64(by)) }

func stepped(sec int64, nsec int32, mono int64) (int64, int32, int64) {
	at := int64(nsec) + step.Load()
	sec, at = sec+at/1e9, at%1e9
	if at < 0 {
		sec, at = sec-1, at+1e9
	}
	return sec, int32(at), mono
}
`
)

// steppedTime writes the altered package to a folder, and returns the arguments that
// build with it.
func steppedTime(ctx context.Context, dir string) ([]string, error) {
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("look where Go is: %w", err)
	}
	source := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	original := filepath.Join(source, "time.go")
	text, err := os.ReadFile(original)
	if err != nil {
		return nil, err
	}
	if strings.Count(string(text), timeNow) != 1 {
		return nil, fmt.Errorf("this version of Go reads its clock in another way: %s has no %q", original, timeNow)
	}
	altered, added := filepath.Join(dir, "time.go"), filepath.Join(dir, "step.go")
	overlay, err := json.Marshal(map[string]map[string]string{
		"Replace": {original: altered, filepath.Join(source, "step.go"): added},
	})
	list := filepath.Join(dir, "overlay.json")
	err = errors.Join(err,
		os.WriteFile(altered, []byte(strings.Replace(string(text), timeNow, timeStepped, 1)), 0o600),
		os.WriteFile(added, []byte(timeStep), 0o600), os.WriteFile(list, overlay, 0o600))
	return []string{"-overlay", list, "-tags", "failpoints,steppedclock"}, err
}

// clocks are the wall clocks of processes, each in a file.
type clocks struct{ dir string }

func newClocks(dir string) (*clocks, error) { return &clocks{dir}, os.MkdirAll(dir, 0o700) }

func (c *clocks) file(name string) string { return filepath.Join(c.dir, name) }

// set makes a clock wrong. The file is replaced as a whole: it is read at any time.
func (c *clocks) set(name string, by time.Duration) error {
	fresh := c.file(name) + ".new"
	if err := os.WriteFile(fresh, strconv.AppendInt(nil, int64(by), 10), 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, c.file(name))
}

// mostWrong bounds how wrong a clock may be. A NATS server measures by the wall clock
// how long a request has not been acknowledged: one that is set back delivers it
// again so much later.
const mostWrong = 90 * time.Second

// disturbClocks steps the clocks of our processes, one at a time, until ctx ends, and
// then sets all right.
func (r *run) disturbClocks(ctx context.Context) {
	for ctx.Err() == nil {
		wait(ctx, 2*time.Second+time.Duration(r.dice.next(6000))*time.Millisecond)
		s := r.ours()[r.dice.next(len(r.ours()))]
		by, where := r.upTo(mostWrong), "forward"
		if r.dice.next(2) == 0 {
			by, where = -by, "back"
		}
		r.setClock(s, by)
		r.fault("clock of " + kind(s) + " set " + where)
	}
	for _, s := range r.ours() {
		r.setClock(s, 0)
	}
}

func (r *run) setClock(s *server, by time.Duration) {
	if err := r.clocks.set(s.name, by); err != nil {
		r.violation("the suite could not step a clock: %v", err)
	}
}
