package docker

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"multinode/dispatcher/provision"
)

// The end of the runner's log that goes into a notice.
const (
	tailBytes   = 4 << 10
	tailLines   = 20
	tailTimeout = 10 * time.Second
	killed      = 128 + 9 // SIGKILL
	terminated  = 128 + 15
)

// explain says how the worker ended, for people.
func (p *Provisioner) explain(w *worker, c container.InspectResponse) provision.Exit {
	p.mu.Lock()
	stopping := w.stopping
	p.mu.Unlock()
	exit := provision.Exit{ExecutionID: w.id}
	code := c.State.ExitCode
	exit.OutOfMemory = code != 0 && !stopping && p.starved(w, c)
	switch {
	case exit.OutOfMemory:
		exit.Detail = fmt.Sprintf("the worker's container was killed because it used more memory than the %s that it may have (code %d)", inGiB(c), code)
	case code == killed && stopping:
		exit.Detail = "the worker's container was killed (SIGKILL, code 137)"
	case code == killed:
		exit.Detail = "the worker's container was killed by SIGKILL (code 137), and not by the dispatcher, and not for want of its own memory"
	case code == terminated:
		exit.Detail = "the worker's container was ended by SIGTERM (code 143)"
	default:
		exit.Detail = fmt.Sprintf("the worker's container exited with code %d", code)
	}
	if stopping {
		exit.Detail += ", after it was told to stop"
	}
	if c.State.Error != "" {
		exit.Detail += ": " + c.State.Error
	}
	if last := p.tail(c.ID); last != "" {
		exit.Detail += "; its last lines were:\n" + last
	}
	return exit
}

// starved tells whether memory ran out in the container. The engine may learn of
// it a moment after the end, and does not amend what it says of the end then.
func (p *Provisioner) starved(w *worker, c container.InspectResponse) bool {
	if c.State.OOMKilled {
		return true
	}
	if c.State.ExitCode != killed {
		return false
	}
	if ended, err := time.Parse(time.RFC3339Nano, c.State.FinishedAt); err == nil && time.Since(ended) > time.Minute {
		return false // nothing comes any more
	}
	timer := time.NewTimer(oomPatience)
	defer timer.Stop()
	select {
	case <-w.oom:
		return true
	case <-timer.C:
	case <-p.life.Done():
	}
	return false
}

func inGiB(c container.InspectResponse) string {
	if c.HostConfig == nil || c.HostConfig.Memory == 0 {
		return "memory" // that of the host
	}
	return strconv.FormatFloat(float64(c.HostConfig.Memory)/(1<<30), 'g', 4, 64) + " GiB"
}

// tail returns the last lines that the runner itself printed, or nothing if they
// cannot be read.
func (p *Provisioner) tail(containerID string) string {
	ctx, cancel := context.WithTimeout(p.life, tailTimeout)
	defer cancel()
	stream, err := p.engine.ContainerLogs(ctx, containerID, container.LogsOptions{
		ShowStdout: true, ShowStderr: true, Tail: strconv.Itoa(tailLines),
	})
	if err != nil {
		return ""
	}
	defer func() { _ = stream.Close() }()
	var text bytes.Buffer
	_, _ = stdcopy.StdCopy(&text, &text, io.LimitReader(stream, 1<<20)) // as much as there is
	data := text.Bytes()
	if len(data) > tailBytes {
		data = data[len(data)-tailBytes:]
	}
	return strings.TrimSpace(strings.ToValidUTF8(string(data), "\uFFFD"))
}
