package main

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"regexp"
	"strings"
)

// alarms are what no process may say, whatever is done to it.
var alarms = []string{"panic:", "fatal error:", "DATA RACE", "level=ERROR"}

// expected are errors that follow from what the suite does itself, with the reason.
// Some do so only where NATS servers are processes that are killed, too.
var expected = []struct {
	message, reason string
	brokers         bool
}{
	{"a version could not be prepared; it will be tried again", "the folder of prepared code is hidden", false},
	{"the invocation could not be driven on; it will be tried again", "NATS is down", true},
	{"feeding the index failed and is tried again", "NATS is down", true},
}

// messageOf finds what a line of a log says, without what differs each time.
var messageOf = regexp.MustCompile(`msg=("(?:[^"\\]|\\.)*"|\S+)`)

// alarming tells whether a line of a log is one that must not be there, and what
// kind of line it is.
func alarming(line string, brokers bool) (kind string, is bool) {
	for _, alarm := range alarms {
		if !strings.Contains(line, alarm) {
			continue
		}
		kind = alarm
		if found := messageOf.FindStringSubmatch(line); found != nil && alarm == "level=ERROR" {
			kind = strings.Trim(found[1], `"`)
		}
		for _, each := range expected {
			if kind == each.message && (brokers || !each.brokers) {
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
			if kind, is := alarming(line, len(r.brokers) > 0); is && !said[kind] {
				said[kind] = true
				r.violation("%s says: %s", s.name, line[:min(len(line), shownOfLine)])
			}
		}
		if err := errors.Join(lines.Err(), log.Close()); err != nil {
			r.violation("the log of %s cannot be looked at: %v", s.name, err)
		}
	}
}
