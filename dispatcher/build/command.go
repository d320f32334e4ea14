package build

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// maxLine is where a line of output is cut in two, in bytes.
	maxLine = 8 << 10
	// drainTime is how long output may come after the process has ended and its
	// group was killed: from what left the group.
	drainTime = time.Second
)

// errTimeLimit means that a command was killed because its time was up.
var errTimeLimit = errors.New("its time limit was reached")

// command is one run of a program in a process group of its own.
type command struct {
	path  string
	args  []string
	dir   string
	env   []string
	limit time.Duration
	// stdout and stderr get the lines, one call at a time.
	stdout, stderr func(line string)
	// third is file descriptor 3 of the program; nil for none.
	third *os.File
}

// run returns when the program has ended, after killing what it left behind. The
// error is errTimeLimit, that of ctx, an *exec.ExitError, or one of starting it.
func (c command) run(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	cmd := exec.CommandContext(limited, c.path, c.args...)
	kill := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Cancel = kill
	cmd.Dir, cmd.Env = c.dir, c.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if c.third != nil {
		cmd.ExtraFiles = []*os.File{c.third}
	}
	out, err := pipe(&cmd.Stdout)
	if err != nil {
		return fmt.Errorf("starting %s: %w", c.path, err)
	}
	defer out.close()
	problems, err := pipe(&cmd.Stderr)
	if err != nil {
		return fmt.Errorf("starting %s: %w", c.path, err)
	}
	defer problems.close()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", c.path, err)
	}
	_ = out.w.Close()
	_ = problems.w.Close()
	var one sync.Mutex
	var readers sync.WaitGroup
	readers.Go(func() { readLines(out.r, &one, c.stdout) })
	readers.Go(func() { readLines(problems.r, &one, c.stderr) })

	err = cmd.Wait()
	_ = kill() // children that outlive the program would go on writing
	// What left the process group may keep the pipes open for ever.
	end := time.Now().Add(drainTime)
	_ = out.r.SetReadDeadline(end)
	_ = problems.r.SetReadDeadline(end)
	readers.Wait()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case limited.Err() != nil:
		return errTimeLimit
	}
	return err
}

// pipeEnds are those of an operating system's pipe: the program holds the other
// end itself, so that waiting for it does not wait for its children.
type pipeEnds struct{ r, w *os.File }

func pipe(to *io.Writer) (pipeEnds, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return pipeEnds{}, err
	}
	*to = w
	return pipeEnds{r, w}, nil
}

func (p pipeEnds) close() {
	_ = p.r.Close()
	_ = p.w.Close()
}

// readLines calls line with each line, without its end and while it holds one.
// Of a line that redraws itself by carriage returns only the last state counts.
func readLines(r io.Reader, one *sync.Mutex, line func(string)) {
	lines := bufio.NewReaderSize(r, maxLine)
	for {
		text, err := lines.ReadSlice('\n')
		if len(text) > 0 {
			text = bytes.TrimRight(text, "\r\n")
			text = text[bytes.LastIndexByte(text, '\r')+1:]
			one.Lock()
			line(strings.ToValidUTF8(string(text), "\ufffd"))
			one.Unlock()
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// tail keeps the last lines of output.
type tail struct {
	lines []string
	size  int
	cut   bool
}

// maxTail bounds a tail, in bytes.
const maxTail = 12 << 10

func (t *tail) add(line string) {
	t.lines = append(t.lines, line)
	t.size += len(line) + 1
	for t.size > maxTail && len(t.lines) > 1 {
		t.size -= len(t.lines[0]) + 1
		t.lines = t.lines[1:]
		t.cut = true
	}
}

func (t *tail) String() string {
	text := strings.Trim(strings.Join(t.lines, "\n"), "\n")
	if t.cut {
		return "…\n" + text
	}
	return text
}
