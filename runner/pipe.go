package runner

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// pipe reads what the user's process writes. Once finish was called it returns
// what is in the pipe by then and ends, even where some descendant that got away
// still holds the other end.
type pipe struct {
	file *os.File
	// left is how much may still be read after finish: descendants that got away
	// may write for ever.
	left int
}

// pipeCapacity is more than a pipe of the usual size holds.
const pipeCapacity = 1 << 20

// newPipe returns a pipe and its writing end, which belongs to the caller.
func newPipe() (*pipe, *os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("make a pipe: %w", err)
	}
	return &pipe{file: r, left: pipeCapacity}, w, nil
}

// Read waits for data until finish is called; then it returns io.EOF as soon as
// the pipe is empty.
func (p *pipe) Read(to []byte) (int, error) {
	n, err := p.file.Read(to)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return p.readRest(to)
	}
	return n, err
}

// finish makes Read return io.EOF instead of waiting.
func (p *pipe) finish() {
	// A deadline in the past. It fails for a closed pipe only.
	_ = p.file.SetReadDeadline(time.Unix(1, 0))
}

func (p *pipe) Close() error { return p.file.Close() }

// readRest reads past the deadline, which os.File refuses to do.
func (p *pipe) readRest(to []byte) (int, error) {
	to = to[:min(len(to), p.left)]
	if len(to) == 0 {
		return 0, io.EOF
	}
	raw, err := p.file.SyscallConn()
	if err != nil {
		return 0, io.EOF
	}
	n := 0
	var readErr error
	err = raw.Control(func(fd uintptr) {
		for {
			// The descriptor does not block: os.Pipe made it so.
			n, readErr = syscall.Read(int(fd), to)
			if !errors.Is(readErr, syscall.EINTR) {
				return
			}
		}
	})
	if err != nil || readErr != nil || n <= 0 {
		return 0, io.EOF
	}
	p.left -= n
	return n, nil
}
