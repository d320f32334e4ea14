package term

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

func none(string) string { return "" }

func TestPipesGetPlainLines(t *testing.T) {
	var out, err bytes.Buffer
	s := New(&out, &err, none)
	task := s.Task("Preparing")
	task.Say("Collecting numpy\r\x1b[2K")
	task.Say("Collecting numpy[2K")
	task.Say("")
	task.Done("Ready")
	task.Drop()
	s.Note("and more")
	if _, err := s.Lines().Write([]byte("logged\n")); err != nil {
		t.Error(err)
	}
	s.Printf("data %d\n", 1)

	if want := "Preparing\n  Collecting numpy[2K\n✓ Ready\nand more\nlogged\n"; err.String() != want {
		t.Errorf("progress = %q, want %q", err.String(), want)
	}
	if out.String() != "data 1\n" {
		t.Errorf("data = %q", out.String())
	}
	if got := s.Style.Red("x") + s.Notes().Bold("y"); got != "xy" {
		t.Errorf("colours in a pipe: %q", got)
	}
}

func TestMovingLineIsClearedBeforeWhatStays(t *testing.T) {
	var err bytes.Buffer
	s := &Screen{err: &err, live: newLive(func() int { return 30 })}
	task := s.Task("Preparing")
	task.Say("Collecting a package with a long name")
	s.Note("kept")
	task.Done("Ready")
	task.Drop()

	text := err.String()
	for line := range strings.SplitSeq(text, clearLine) {
		if moving, _, _ := strings.Cut(line, "\n"); columns(moving) > 29 {
			t.Errorf("a line of %d columns on a terminal of 30: %q", columns(moving), moving)
		}
	}
	if !strings.Contains(text, clearLine+"kept\n") {
		t.Errorf("the moving line was not cleared before what stays: %q", text)
	}
	if !strings.HasSuffix(text, "✓ Ready\n") {
		t.Errorf("ends with %q", text[max(0, len(text)-20):])
	}
	if s.live.shown {
		t.Error("the moving line is still there")
	}
}

func TestNewOnAFileThatIsNoTerminal(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if s := New(f, f, none); s.live != nil || s.Style.on {
		t.Error("a plain file is taken for a terminal")
	}
	if width(f) != 80 {
		t.Errorf("width = %d", width(f))
	}
}

func TestStyleWraps(t *testing.T) {
	s := Style{on: true}
	for _, paint := range []func(string) string{s.Bold, s.Dim, s.Red, s.Green, s.Yellow, s.Cyan} {
		if got := paint("x"); !strings.HasPrefix(got, "\x1b[") || !strings.HasSuffix(got, "x\x1b[0m") {
			t.Errorf("painted %q", got)
		}
		if paint("") != "" {
			t.Error("nothing was painted")
		}
	}
}

func TestTable(t *testing.T) {
	paint := func(s string) string { return "<" + s + ">" }
	got := Table("  ",
		[]Cell{{Text: "name"}, {Text: "状態", Paint: paint}, {Text: "end"}},
		Plain("a longer name", "x", "y\nz"),
		Plain("short", "last", ""),
	)
	want := "  name           <状態>  end\n" +
		"  a longer name  x     y z\n" +
		"  short          last\n"
	if got != want {
		t.Errorf("table:\n%s\nwant:\n%s", got, want)
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		text string
		room int
		want string
	}{{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"状態x", 4, "状…"}, {"abc", 0, ""}, {"abc", 1, "…"}} {
		if got := Cut(c.text, c.room); got != c.want {
			t.Errorf("Cut(%q, %d) = %q, want %q", c.text, c.room, got, c.want)
		}
	}
}

func TestPrintable(t *testing.T) {
	for line, want := range map[string]string{
		"plain\ttext\n":                     "plain\ttext",
		"\x1b[1;31mred\x1b[0m":              "\x1b[1;31mred\x1b[0m",
		"\x1b[2Jgone\x1b]0;title\x07\u009b": "[2Jgone]0;title",
		"10%\r50%\r100%\r\n":                "100%",
	} {
		if got := Printable(line); got != want {
			t.Errorf("Printable(%q) = %q, want %q", line, got, want)
		}
	}
}
