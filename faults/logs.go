package main

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// alarms are what no process may say, whatever is done to it.
var alarms = []string{"panic:", "fatal error:", "DATA RACE", "level=ERROR"}

// expected are errors that follow from what the suite does itself, with the reason.
// Some do so only where NATS servers are processes that are killed, too, or where the
// disk is full.
var expected = []struct {
	message, within, reason string
	only                    func(*system) bool
}{
	{message: "a version could not be prepared; it will be tried again", reason: "the folder of prepared code is hidden"},
	{
		message: "nats-server", within: "authentication error",
		reason: "a worker that was given up is refused until it is stopped, which takes a lease where its dispatcher died",
	},
	{message: "the invocation could not be driven on; it will be tried again", reason: "NATS is down", only: natsFails},
	{message: "feeding the index failed and is tried again", reason: "NATS is down", only: natsFails},
	{message: "nats-server", reason: "it says of each write that there was no room", only: diskFills},
	{message: "the system stops, as a part of it failed", within: "start it", reason: "NATS has to be started again", only: diskFills},
	{message: "the disk is nearly full: nothing is accepted until there is room on it again", reason: "it is", only: diskFills},
}

func natsFails(s *system) bool { return len(s.brokers) > 0 || s.disk != nil }
func diskFills(s *system) bool { return s.disk != nil }

// messageOf finds what a line of a log says, without what differs each time.
var messageOf = regexp.MustCompile(`msg=("(?:[^"\\]|\\.)*"|\S+)`)

// alarming tells whether a line of a log is one that must not be there, and what
// kind of line it is.
func alarming(line string, of *system) (kind string, is bool) {
	for _, alarm := range alarms {
		if !strings.Contains(line, alarm) {
			continue
		}
		kind = alarm
		if found := messageOf.FindStringSubmatch(line); found != nil && alarm == "level=ERROR" {
			kind = strings.Trim(found[1], `"`)
		}
		for _, each := range expected {
			if kind == each.message && strings.Contains(line, each.within) && (each.only == nil || each.only(of)) {
				return kind, false
			}
		}
		return kind, true
	}
	return "", false
}

// maxLine bounds a line of a log, and what is shown of it.
const maxLine, shownOfLine = 1 << 20, 400

// scanLogs looks for alarms in what the processes said, each kind once of each.
func (r *run) scanLogs() {
	r.scanRaces()
	for _, s := range r.servers() {
		said := map[string]bool{}
		log, err := os.Open(s.log)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			r.violation("the log of %s cannot be looked at: %v", s.name, err)
			continue
		}
		lines := bufio.NewScanner(log)
		lines.Buffer(nil, maxLine)
		for lines.Scan() {
			line := lines.Text()
			if kind, is := alarming(line, r.system); is && !said[kind] {
				said[kind] = true
				r.violation("%s says: %s", s.name, line[:min(len(line), shownOfLine)])
			}
		}
		if err := errors.Join(lines.Err(), log.Close()); err != nil {
			r.violation("the log of %s cannot be looked at: %v", s.name, err)
		}
	}
}

// scanRaces looks for what the race detector has said of any process, workers
// included.
func (r *run) scanRaces() {
	if r.races == "" {
		return
	}
	files, err := os.ReadDir(r.races)
	if err != nil {
		r.violation("the race detector's reports cannot be looked at: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(r.races, file.Name()))
		if err != nil {
			r.violation("the race detector's report cannot be looked at: %v", err)
		}
		r.violation("a data race:\n%s", text[:min(len(text), shownOfRace)])
	}
}

// shownOfRace is enough for both stacks.
const shownOfRace = 8 << 10
