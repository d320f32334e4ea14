package fakeecs

import (
	"crypto/rand"
	"encoding/hex"
	"slices"
	"syscall"
	"time"
)

// task is one task of the cluster. All of it is guarded by the server's lock.
type task struct {
	s          *Server
	arn        string
	request    runTask
	definition *definition
	fault      Fault

	last, desired, stopCode, stoppedReason string
	createdAt, startedAt, stoppedAt        time.Time
	been                                   []string // all states up to now
	version                                int
	container                              containerView
	running                                Running
	stopping, killing                      chan struct{}
}

func (s *Server) newTask(in runTask, d *definition) *task {
	t := &task{
		s: s, arn: "arn:aws:ecs:" + Region + ":" + Account + ":task/" + Cluster + "/" + randomHex(16),
		request: in, definition: d, desired: "RUNNING", createdAt: s.options.Clock.Now(),
		container: containerView{Name: d.ContainerDefinitions[0].Name, LastStatus: "PENDING"},
		stopping:  make(chan struct{}), killing: make(chan struct{}),
	}
	s.tasks = append(s.tasks, t)
	s.byARN[t.arn] = t
	t.enterLocked("PROVISIONING")
	return t
}

func randomHex(n int) string {
	random := make([]byte, n)
	_, _ = rand.Read(random)
	return hex.EncodeToString(random)
}

// live takes the task through its states.
func (t *task) live() {
	clock, starting := t.s.options.Clock, t.s.options.Starting
	for _, state := range []string{"PENDING", "ACTIVATING"} {
		if starting > 0 {
			select {
			case <-clock.After(starting / 2):
			case <-t.stopping:
			}
		}
		if t.isStopping() {
			break
		}
		t.enter(state)
		if t.fault.StuckForGood && state == "PENDING" {
			<-t.killing
		}
		if t.fault.Stuck && state == "PENDING" {
			<-t.stopping
		}
	}
	if t.fault.FailedToStart != "" {
		t.s.mu.Lock()
		t.container.Reason = t.fault.FailedToStart
		t.stopLocked("TaskFailedToStart", t.fault.FailedToStart)
		t.s.mu.Unlock()
	}
	if t.fault.InterruptedEarly {
		t.interrupt()
	}
	if !t.isStopping() {
		t.run()
	}
	t.stop()
}

func (t *task) isStopping() bool {
	select {
	case <-t.stopping:
		return true
	default:
		return false
	}
}

// run returns when the container has ended.
func (t *task) run() {
	t.s.mu.Lock()
	t.running = t.s.options.Run(t.s.container(t))
	t.startedAt = t.s.options.Clock.Now()
	t.container.LastStatus = "RUNNING"
	t.enterLocked("RUNNING")
	running := t.running
	t.s.mu.Unlock()
	ended := make(chan struct{})
	t.s.runs.Go(func() { t.bring(running, ended) })
	if t.fault.Interrupted {
		t.interrupt()
	}
	code, outOfMemory := running.Wait()
	close(ended)
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	if failing, ok := running.(Failing); ok && failing.Failed() != "" {
		t.container.Reason, t.startedAt = failing.Failed(), time.Time{}
		t.stopLocked("TaskFailedToStart", failing.Failed())
		return
	}
	t.container.ExitCode = &code
	if outOfMemory {
		t.container.Reason = "OutOfMemoryError: Container killed due to memory usage"
	}
	t.stopLocked("EssentialContainerExited", "Essential container in task exited")
}

// interrupt takes Spot capacity back.
func (t *task) interrupt() {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	t.stopLocked("SpotInterruption", "Your Spot Task was interrupted.")
}

// bring ends the container: it asks, waits for stopTimeout, and kills.
func (t *task) bring(running Running, ended <-chan struct{}) {
	select {
	case <-ended:
		return
	case <-t.killing:
		running.Signal(syscall.SIGKILL)
		return
	case <-t.stopping:
	}
	t.enter("DEACTIVATING")
	t.enter("STOPPING")
	running.Signal(syscall.SIGTERM)
	timeout := 30 * time.Second
	if given := t.definition.ContainerDefinitions[0].StopTimeout; given != nil {
		timeout = time.Duration(*given) * time.Second
	}
	select {
	case <-ended:
		return
	case <-t.killing:
	case <-t.s.options.Clock.After(timeout):
	}
	running.Signal(syscall.SIGKILL)
}

func (t *task) stop() {
	t.s.mu.Lock()
	t.container.LastStatus = "STOPPED"
	for _, state := range []string{"DEACTIVATING", "STOPPING"} {
		if slices.Contains(t.been, "RUNNING") && !slices.Contains(t.been, state) { // it ended by itself
			t.enterLocked(state)
		}
	}
	t.enterLocked("DEPROVISIONING")
	t.s.mu.Unlock()
	if late := t.s.options.Late; late > 0 {
		select {
		case <-t.s.options.Clock.After(late):
		case <-t.killing:
		}
	}
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	t.stoppedAt = t.s.options.Clock.Now()
	t.enterLocked("STOPPED")
}

// stopLocked asks for the end; the first reason counts.
func (t *task) stopLocked(code, reason string) {
	if t.desired == "STOPPED" {
		return
	}
	t.desired, t.stopCode, t.stoppedReason = "STOPPED", code, reason
	close(t.stopping)
}

func (t *task) killLocked() {
	t.stopLocked("UserInitiated", "the fake is closed")
	select {
	case <-t.killing:
	default:
		close(t.killing)
	}
}

func (t *task) enter(state string) {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	t.enterLocked(state)
}

func (t *task) enterLocked(state string) {
	t.last = state
	t.been = append(t.been, state)
	t.version++
	t.s.publish(t)
	t.s.wake()
}

// monitor is a container that the service may put beside those that were asked for,
// and before them.
var monitor = containerView{Name: "aws-guardduty-agent-0", LastStatus: "RUNNING"}

func (t *task) view(withTags bool) view {
	in := t.request
	v := view{
		TaskArn: t.arn, ClusterArn: ClusterARN, TaskDefinitionArn: t.definition.ARN, StartedBy: in.StartedBy, Group: in.Group,
		LastStatus: t.last, DesiredStatus: t.desired, StopCode: t.stopCode, StoppedReason: t.stoppedReason,
		CPU: t.definition.CPU, Memory: t.definition.Memory, CreatedAt: seconds(t.createdAt),
		StartedAt: seconds(t.startedAt), StoppedAt: seconds(t.stoppedAt), Version: t.version,
		Containers: []containerView{monitor, t.container}, Overrides: in.Overrides,
	}
	if len(in.CapacityProviderStrategy) > 0 {
		v.CapacityProviderName = in.CapacityProviderStrategy[0].CapacityProvider
	}
	if o := in.Overrides; o != nil && o.CPU != "" {
		v.CPU, v.Memory = o.CPU, o.Memory
	}
	if withTags {
		v.Tags = in.Tags
	}
	return v
}
