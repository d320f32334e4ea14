package process

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"multinode/dispatcher/provision"
)

// The end of the runner's log that goes into a notice.
const (
	tailBytes = 4 << 10
	tailLines = 20
)

// explain says how the worker ended, for people.
func (w *worker) explain(status syscall.WaitStatus, known, oom bool) provision.Exit {
	exit := provision.Exit{ExecutionID: w.folder.id()}
	switch {
	case !known && w.process.boot != bootID():
		exit.Detail = "the machine was restarted while the worker ran"
	case !known:
		exit.Detail = "the worker's process ended; how is not known, because it was not started by this run of the dispatcher"
	case status.Exited():
		exit.Detail = fmt.Sprintf("the worker's process exited with code %d", status.ExitStatus())
	case status.Signaled() && status.Signal() == syscall.SIGKILL && !w.stopping.Load() && oom:
		exit.OutOfMemory = true
		exit.Detail = "the worker's process was killed because there was no memory left"
	case status.Signaled() && status.Signal() == syscall.SIGKILL && !w.stopping.Load():
		exit.Detail = "the worker's process was killed by SIGKILL, and not by the dispatcher: by somebody else, or because the machine had no memory left"
	case status.Signaled():
		exit.Detail = "the worker's process was ended by " + unix.SignalName(status.Signal())
	}
	if w.stopping.Load() {
		exit.Detail += ", after it was told to stop"
	}
	if !w.folder.started() && w.folder.exists() {
		exit.Detail += ", before the runner could be started"
	}
	if last := tail(w.folder.log()); last != "" {
		exit.Detail += "; its last lines were:\n" + last
	}
	return exit
}

// tail returns the last lines of a log, or nothing if it cannot be read.
func tail(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	whole := true
	if info, err := file.Stat(); err == nil && info.Size() > tailBytes {
		whole = false
		if _, err := file.Seek(-tailBytes, io.SeekEnd); err != nil {
			return ""
		}
	}
	data, err := io.ReadAll(io.LimitReader(file, tailBytes))
	if err != nil {
		return ""
	}
	if first := bytes.IndexByte(data, '\n'); !whole && first >= 0 {
		data = data[first+1:]
	}
	lines := strings.Split(strings.TrimSpace(strings.ToValidUTF8(string(data), "\uFFFD")), "\n")
	if len(lines) > tailLines {
		lines = lines[len(lines)-tailLines:]
	}
	return strings.Join(lines, "\n")
}
