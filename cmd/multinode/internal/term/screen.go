// Package term writes to people and pipes: data on one stream, progress on the
// other, colours and a moving line only where somebody looks at a terminal.
package term

import (
	"fmt"
	"io"
	"os"
	"sync"

	xterm "golang.org/x/term"
)

// Screen is the pair of streams a command writes to. Its methods may be called
// from several goroutines; Out is for one at a time.
type Screen struct {
	// Out takes data: what a script would read.
	Out io.Writer
	// Style colours what goes to Out.
	Style Style
	// Terminal tells whether Out is one.
	Terminal bool

	mu   sync.Mutex // guards err and live
	err  io.Writer
	note Style
	live *live // nil where progress is plain lines
}

// New looks at both streams. Colours need a terminal and are off where NO_COLOR
// is set to anything or TERM is "dumb".
func New(out, err io.Writer, getenv func(string) string) *Screen {
	dumb := getenv("TERM") == "dumb"
	colour := func(w io.Writer) Style {
		return Style{on: IsTerminal(w) && !dumb && getenv("NO_COLOR") == ""}
	}
	s := &Screen{Out: out, Style: colour(out), Terminal: IsTerminal(out), err: err, note: colour(err)}
	if IsTerminal(err) && !dumb {
		s.live = newLive(func() int { return width(err) })
	}
	return s
}

// IsTerminal tells whether a stream is a terminal.
func IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && xterm.IsTerminal(int(f.Fd()))
}

func width(stream any) int {
	if f, ok := stream.(*os.File); ok {
		if w, _, err := xterm.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return 80
}

// Printf writes data.
func (s *Screen) Printf(format string, args ...any) { fmt.Fprintf(s.Out, format, args...) }

// Note writes one line of progress, which stays.
func (s *Screen) Note(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write(line + "\n")
}

// Lines takes lines of progress that somebody else formats, such as a logger.
func (s *Screen) Lines() io.Writer { return lines{s} }

type lines struct{ s *Screen }

func (l lines) Write(text []byte) (int, error) {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	l.s.write(string(text))
	return len(text), nil
}

// Notes gives the style of progress lines.
func (s *Screen) Notes() Style { return s.note }

// write puts lasting text above the moving line. The caller holds mu.
func (s *Screen) write(text string) {
	if s.live != nil && s.live.shown {
		text = clearLine + text
		s.live.shown = false
	}
	_, _ = io.WriteString(s.err, text)
}

// Style colours text, or leaves it alone.
type Style struct{ on bool }

func (s Style) wrap(code, text string) string {
	if !s.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Bold is for headings.
func (s Style) Bold(text string) string { return s.wrap("1", text) }

// Dim is for what may be overlooked.
func (s Style) Dim(text string) string { return s.wrap("2", text) }

// Red is for failures.
func (s Style) Red(text string) string { return s.wrap("31", text) }

// Green is for success.
func (s Style) Green(text string) string { return s.wrap("32", text) }

// Yellow is for what waits or was stopped.
func (s Style) Yellow(text string) string { return s.wrap("33", text) }

// Cyan is for names to copy.
func (s Style) Cyan(text string) string { return s.wrap("36", text) }
