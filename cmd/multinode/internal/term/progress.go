package term

import (
	"strings"
	"time"
)

const (
	clearLine = "\r\x1b[2K"
	frames    = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
	redraw    = 100 * time.Millisecond
)

// live is the moving last line of a terminal.
type live struct {
	width       func() int
	title, tail string
	shown       bool
	frame       int
	since       time.Time
	stop, ended chan struct{}
}

func newLive(width func() int) *live { return &live{width: width} }

// Task is a piece of work under way: a moving line on a terminal, plain lines
// elsewhere. End it with Done or Drop.
type Task struct {
	s     *Screen
	title string
	tail  string // the last thing said, so that it is not said twice
}

// Task begins a piece of work. One runs at a time.
func (s *Screen) Task(title string) *Task {
	s.mu.Lock()
	defer s.mu.Unlock()
	title = OneLine(title)
	if s.live == nil {
		s.write(title + "\n")
		return &Task{s: s, title: title}
	}
	l := s.live
	l.title, l.tail, l.frame, l.since = title, "", 0, time.Now()
	l.stop, l.ended = make(chan struct{}), make(chan struct{})
	s.draw()
	go s.animate(l.stop, l.ended)
	return &Task{s: s, title: title}
}

// Say shows what the work is at: the tail of the moving line, or one more line.
func (t *Task) Say(line string) {
	line = OneLine(line)
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	if line == "" || line == t.tail {
		return
	}
	t.tail = line
	if t.s.live == nil {
		t.s.write("  " + line + "\n")
		return
	}
	t.s.live.tail = line
	t.s.draw()
}

// Done ends the work and leaves one line that says how.
func (t *Task) Done(line string) {
	t.halt()
	t.s.Note(t.s.note.Green("✓") + " " + line)
}

// Drop ends the work and leaves nothing on a terminal. It may follow Done.
func (t *Task) Drop() { t.halt() }

func (t *Task) halt() {
	t.s.mu.Lock()
	l := t.s.live
	if l == nil || l.stop == nil {
		t.s.mu.Unlock()
		return
	}
	close(l.stop)
	ended := l.ended
	l.stop = nil
	t.s.mu.Unlock()

	<-ended
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	l.title = ""
	t.s.write("")
}

func (s *Screen) animate(stop, ended chan struct{}) {
	defer close(ended)
	tick := time.NewTicker(redraw)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			s.mu.Lock()
			s.live.frame++
			s.draw()
			s.mu.Unlock()
		}
	}
}

// draw shows the moving line. The caller holds mu.
func (s *Screen) draw() {
	l := s.live
	if l.title == "" {
		return
	}
	signs := []rune(frames)
	sign := string(signs[l.frame%len(signs)])
	text := l.title
	if elapsed := time.Since(l.since); elapsed >= 2*time.Second {
		text += " " + elapsed.Truncate(time.Second).String()
	}
	// One column stays free: a full line would wrap, and could not be cleared.
	room := l.width() - 3
	text = Cut(text, room)
	tail := ""
	if l.tail != "" {
		tail = Cut("  "+l.tail, room-columns(text))
	}
	_, _ = s.err.Write([]byte(clearLine + s.note.Cyan(sign) + " " + text + s.note.Dim(tail)))
	l.shown = true
}

// Cut shortens text to that many columns of a terminal.
func Cut(text string, room int) string {
	if columns(text) <= room {
		return text
	}
	var b strings.Builder
	used := 0
	for _, r := range text {
		if used+runeColumns(r) > room-1 {
			break
		}
		used += runeColumns(r)
		b.WriteRune(r)
	}
	if room > 0 {
		b.WriteRune('…')
	}
	return b.String()
}

func columns(text string) int {
	n := 0
	for _, r := range text {
		n += runeColumns(r)
	}
	return n
}

// runeColumns errs on the wide side, as too short a line does no harm.
func runeColumns(r rune) int {
	if r >= 0x1100 && (r < 0x2000 || r >= 0x2e80) {
		return 2
	}
	return 1
}
