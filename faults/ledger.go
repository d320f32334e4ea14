package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"multinode/wire"
)

// started is an invocation that a client was given an ID for.
type started struct {
	function  string
	id        string
	n         int
	cancelled bool // somebody asked for its end
	terminal  wire.Status
}

// ledger is what the clients know: it is held against what the system has stored.
type ledger struct {
	mu         sync.Mutex
	all        map[string]*started
	lost       int // starts whose answer was not waited for
	refused    int
	reads      int
	faults     map[string]int
	violations []string
	// over is set when nothing works any more: what breaks then says nothing new.
	over bool
}

func newLedger() *ledger { return &ledger{all: map[string]*started{}, faults: map[string]int{}} }

func (l *ledger) add(s *started) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all[s.id] = s
}

// fault counts one.
func (l *ledger) fault(kind string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults[kind]++
}

// violation notes a broken promise, once.
func (l *ledger) violation(format string, arguments ...any) {
	text := fmt.Sprintf(format, arguments...)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over && !slices.Contains(l.violations, text) {
		l.violations = append(l.violations, text)
	}
}

// giveUp notes a violation after which there is no point in going on.
func (l *ledger) giveUp(format string, arguments ...any) {
	l.violation(format, arguments...)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
}

// interrupted says that what breaks from now on was broken off by the user.
func (l *ledger) interrupted() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
}

// seen holds what a read says against what earlier ones said.
func (l *ledger) seen(s *started, status wire.Status) {
	l.mu.Lock()
	before := s.terminal
	l.reads++
	if status.Terminal() {
		s.terminal = status
	}
	l.mu.Unlock()
	if before != "" && before != status {
		l.violation("%s of %s was %s, and then %s", s.id, s.function, before, status)
	}
}

func (l *ledger) note(s *started, change func(*started)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(s)
}

// report says what was done.
func (l *ledger) report() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%d invocations were started and answered, %d starts were given up unanswered, %d refused; %d reads\n",
		len(l.all), l.lost, l.refused, l.reads)
	kinds := make([]string, 0, len(l.faults))
	for kind := range l.faults {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	for _, kind := range kinds {
		fmt.Fprintf(&b, "%6d × %s\n", l.faults[kind], kind)
	}
	b.WriteString(strconv.Itoa(len(l.violations)) + " violations\n")
	for _, v := range l.violations {
		b.WriteString("  VIOLATION: " + v + "\n")
	}
	return b.String()
}
