package runner

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"github.com/jonboulle/clockwork"

	"multinode"
	"multinode/internal/failpoint"
)

// session is one execution. Its fields belong to the goroutine of supervise, but
// for those that guard themselves.
type session struct {
	o          Options
	log        *slog.Logger
	child      *child
	link       Link
	assignment multinode.Assignment
	book       *logbook
	yields     *yields
	beater     *beater
	readers    sync.WaitGroup // of stdout and stderr

	end   ending
	ready bool
	left  bool
	// unsent is the signal of an interrupt that came before the harness listened:
	// it would have ended Python without a word.
	unsent syscall.Signal
	// limit is when the user's code is killed, for the reason why.
	limit clockwork.Timer
	why   killReason
	// timeout runs from the beginning of the user's function.
	timeout clockwork.Timer
	// nudge runs while an interrupt was sent and not raised yet, by the machine's clock.
	nudge *time.Timer
	// alone is since when there is no connection; zero while there is one.
	alone time.Time
}

func newSession(o Options, c *child, link Link, a multinode.Assignment) *session {
	log := o.Logger.With("execution_id", a.Key.ID, "invocation_id", a.Key.Invocation.ID,
		"project", a.Key.Invocation.Project, "function", a.Key.Invocation.Function)
	return &session{
		o: o, log: log, child: c, link: link, assignment: a,
		book: newLogbook(o.Limits, link, log), yields: newYields(link, log),
		beater: newBeater(link, o.Limits.Beat, o.Clock, log),
		end:    ending{timeout: a.Timeout, grace: o.Limits.Grace, lease: o.Limits.Lease},
		limit:  stoppedTimer(o.Clock), timeout: stoppedTimer(o.Clock), nudge: time.NewTimer(time.Hour),
	}
}

func stoppedTimer(c clockwork.Clock) clockwork.Timer {
	t := c.NewTimer(time.Hour)
	t.Stop()
	return t
}

// event is a frame, or why there will be no more.
type event struct {
	frame frame
	err   error
}

// supervise lets the user's code run and returns when its main process has ended
// and all its events were seen. It returns ErrLeft when told to leave.
func (s *session) supervise(ctx context.Context) error {
	defer s.limit.Stop()
	defer s.timeout.Stop()
	defer s.nudge.Stop()
	events := make(chan event)
	go s.readEvents(events)
	s.readers.Go(func() { s.readOutput(s.child.stdout, streamStdout) })
	s.readers.Go(func() { s.readOutput(s.child.stderr, streamStderr) })
	if err := s.assign(); err != nil {
		return err
	}
	lease := s.o.Clock.NewTicker(max(s.o.Limits.Lease/20, time.Millisecond))
	defer lease.Stop()

	stopped, exited := ctx.Done(), s.child.exited
	for events != nil || exited != nil {
		select {
		case e, ok := <-events:
			if !ok {
				events = nil
				break
			}
			s.handle(e)
		case <-exited:
			exited = nil
			s.end.exit = s.child.status
			s.child.finish()
		case d := <-s.link.Desires():
			s.heed(d)
		case d := <-s.beater.desires:
			s.heed(d)
		case <-s.timeout.Chan():
			s.interrupt(multinode.TimeOut)
		case <-s.limit.Chan():
			s.kill(s.why)
		case <-s.nudge.C:
			if s.end.interrupting() {
				s.signal(syscall.SIGURG)
			}
		case <-lease.Chan():
			s.checkLease()
		case <-stopped:
			stopped = nil
			s.stop()
		}
	}
	if s.left {
		return ErrLeft
	}
	return nil
}

// assign tells the harness what to do, without waiting for it to listen.
func (s *session) assign() error {
	text, err := commands(s.o.ProjectDir, s.assignment)
	if err != nil {
		return err
	}
	go func() {
		// It fails when the process has ended, and then that is what counts.
		_, _ = s.child.commands.Write(text)
	}()
	return nil
}

func (s *session) readEvents(to chan<- event) {
	defer close(to)
	for {
		f, err := readFrame(s.child.events)
		if errors.Is(err, io.EOF) {
			return
		}
		to <- event{f, err}
		if err != nil {
			return
		}
	}
}

func (s *session) readOutput(from *pipe, stream string) {
	readLines(from, s.o.Limits.Line, func(line string) { s.book.add(stream, line) })
}

func (s *session) handle(e event) {
	if e.err != nil {
		// A frame that the process's end has cut off says no more than that end.
		if !errors.Is(e.err, io.ErrUnexpectedEOF) && !errors.Is(e.err, io.ErrClosedPipe) {
			s.fail(e.err.Error())
		}
		return
	}
	if s.end.final != 0 {
		return
	}
	switch e.frame.kind {
	case frameReady:
		s.ready = true
		if s.unsent != 0 {
			s.signal(s.unsent)
		}
	case frameStarted:
		s.end.started = true
		failpoint.Hit("runner.started")
		s.beater.start()
		if s.assignment.Timeout > 0 {
			s.timeout.Reset(s.assignment.Timeout)
		}
	case frameInterrupted:
		s.end.reached = true
	case frameYield:
		if fault := checkOutput(e.frame.body); fault != "" {
			s.fail(fault)
			return
		}
		s.yields.set(e.frame.body)
	case frameOutput:
		if fault := checkOutput(e.frame.body); fault != "" {
			s.fail(fault)
			return
		}
		s.end.output = e.frame.body
		s.conclude(e.frame.kind)
	case frameError:
		if err := json.Unmarshal(e.frame.body, &s.end.failure); err != nil {
			s.fail(errFrame.Error())
			return
		}
		s.conclude(e.frame.kind)
	}
}

// conclude notes the last event; the process has a little time to end.
func (s *session) conclude(last frameKind) {
	s.end.final = last
	s.timeout.Stop()
	s.why = notKilled
	s.limit.Reset(s.o.Limits.Exit)
}

// heed does what the dispatcher wants.
func (s *session) heed(d multinode.Desired) {
	switch d {
	case multinode.Cancel, multinode.TimeOut:
		s.interrupt(d)
	case multinode.Leave:
		s.log.Info("told to leave")
		s.left = true
		s.child.killAll()
	}
}

// interrupt tells the user's code to end, once.
func (s *session) interrupt(why multinode.Desired) {
	if s.end.interrupt != "" || s.end.final != 0 || s.end.killed != notKilled {
		return
	}
	s.end.interrupt = why
	defer s.beater.interrupt(why) // what is confirmed has been done
	failpoint.Hit("runner.interrupted")
	if s.end.stopped {
		return // interrupted already, with less time left
	}
	if why == multinode.TimeOut {
		s.book.note("the timeout of %v is reached: InvocationTimedOutError is raised, and the function is killed if it goes on for another %v", s.assignment.Timeout, s.o.Limits.Grace)
		s.signal(syscall.SIGUSR1)
	} else {
		s.book.note("the invocation was cancelled: InvocationCancelledError is raised, and the function is killed if it goes on for another %v", s.o.Limits.Grace)
		s.signal(syscall.SIGTERM)
	}
	s.why = killedGrace
	s.limit.Reset(s.o.Limits.Grace)
}

// nudgeInterval is how long an interrupt may take to be raised before Python is
// made to look for signals. One that comes just before a call that blocks would
// wait for the end of that call.
const nudgeInterval = 100 * time.Millisecond

// signal interrupts the harness, once it listens, and sees to it that it notices.
func (s *session) signal(sig syscall.Signal) {
	if !s.ready {
		s.unsent = sig
		return
	}
	s.child.interrupt(sig)
	s.nudge.Reset(nudgeInterval)
}

// stop ends the user's code because the worker itself has to end.
func (s *session) stop() {
	s.log.Info("the worker is being stopped")
	s.end.stopped = true
	switch {
	case s.end.final != 0:
		s.limit.Reset(min(s.o.Limits.Exit, s.o.Limits.Stop/2))
		return
	case s.end.interrupt == "":
		s.book.note("the worker is being stopped: InvocationCancelledError is raised, and the function is killed if it goes on for another %v", s.o.Limits.Stop/2)
		s.signal(syscall.SIGTERM)
	}
	s.why = killedStop
	s.limit.Reset(s.o.Limits.Stop / 2)
}

// checkLease ends the user's code when there was no connection for too long.
func (s *session) checkLease() {
	switch {
	case s.link.Connected():
		s.alone = time.Time{}
	case s.alone.IsZero():
		s.alone = s.o.Clock.Now()
	case s.o.Clock.Since(s.alone) >= s.o.Limits.Lease && s.end.killed == notKilled && s.end.final == 0:
		s.log.Error("no connection for too long: the user's code is killed", "lease", s.o.Limits.Lease)
		s.kill(killedLease)
	}
}

// fail ends user code that has broken the protocol.
func (s *session) fail(fault string) {
	s.end.fault = fault
	s.kill(killedFault)
}

// kill ends the process group. Without a reason it is only one that does not end
// although its function has.
func (s *session) kill(why killReason) {
	if why == notKilled {
		s.book.note("the process did not end within %v of its function, and was killed", s.o.Limits.Exit)
	} else if s.end.killed == notKilled {
		s.end.killed = why
	}
	switch why {
	case killedGrace:
		s.book.note("killed: it did not end within %v of being interrupted", s.o.Limits.Grace)
	case killedLease:
		s.book.note("killed: the worker had no connection for %v", s.o.Limits.Lease)
	}
	s.child.killAll()
}
