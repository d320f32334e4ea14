"""Cancellation and time-out: signals that become exceptions in the user's code.

An interrupt is raised only while the user's code runs. One that comes while the
harness itself is at work is kept, and raised where the user's code is entered
next. Only the first is ever raised: while the user's code cleans up, it is left
in peace until the runner kills it.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Any, Callable, TypeVar

from multinode._worker import forks
from multinode.errors import InvocationCancelledError, InvocationTimedOutError

T = TypeVar("T")

CANCEL = signal.SIGTERM
TIME_OUT = signal.SIGUSR1
# Says nothing, but ends what blocks. The runner sends it until an interrupt was raised: Python
# runs handlers between two steps of its own, so that a signal which comes just before a call that
# blocks, or to another thread, would wait for that call's end. Elsewhere it is ignored by default.
NUDGE = signal.SIGURG


class Interrupts:
    """The interrupt of this process; there can be only one."""

    def __init__(self, reached: Callable[[], None]) -> None:
        """``reached`` is called just before an interrupt enters the user's code."""
        self._reached = reached
        self._first: int | None = None
        self._raised = False
        self._error: Exception | None = None
        self._open = False
        self._also: type[BaseException] | None = None
        self._route: Callable[[FrameType | None], bool] | None = None

    def install(self) -> None:
        """Catch the signals from now on, in this process but not in forks of it."""
        for number in (CANCEL, TIME_OUT):
            signal.signal(number, self._handle)
        signal.signal(NUDGE, lambda *_: None)
        forks.guard(self._uninstall, (CANCEL, TIME_OUT))
        self._watch_unraisable()

    def finish(self) -> None:
        """Ignore interrupts from now on: the call has ended.

        Where the user's code has put its own handlers in place of ours, nobody
        can tell whether an interrupt was seen: then it is said to have been, and
        the runner, which knows whether it sent one, draws the conclusion.
        """
        for number in (CANCEL, TIME_OUT):
            if signal.signal(number, signal.SIG_IGN) != self._handle and not self._raised:
                self._raised = True
                self._reached()

    @property
    def kind(self) -> str | None:
        """What was raised in the user's code: "cancelled", "timed_out" or None."""
        if not self._raised or self._first is None:
            return None
        return "cancelled" if self._first == CANCEL else "timed_out"

    def caused(self, error: BaseException) -> bool:
        """Whether the exception is the interrupt, or a group that holds it."""
        return error is self._error or any(
            self.caused(each) for each in getattr(error, "exceptions", ())
        )

    @property
    def waiting(self) -> bool:
        """Whether an interrupt has come that was not raised yet."""
        return self._first is not None and not self._raised

    def take(self) -> Exception:
        """Return the exception of the waiting interrupt, which counts as raised."""
        self._raised = True
        self._reached()
        if self._first == CANCEL:
            kind: type[Exception] = InvocationCancelledError
            text = "the invocation was cancelled"
        else:
            kind = InvocationTimedOutError
            text = "the invocation has reached its timeout"
        if self._also is not None:
            kind = type(kind.__name__, (kind, self._also), {"__module__": kind.__module__})
        self._error = kind(text)
        return self._error

    def call(self, fn: Callable[[], T], throw: Callable[[Exception], T] | None = None) -> T:
        """Run the user's code, open to interrupts.

        ``throw`` raises an interrupt that is already waiting at the place where
        the user's code was left, as with a suspended generator.
        """
        self._open = True
        try:
            if self.waiting:
                error = self.take()
                if throw is None:
                    raise error
                return throw(error)
            return fn()
        finally:
            self._open = False

    def shielded(self, fn: Callable[[], T]) -> T:
        """Run the harness's own code from within the user's, closed to interrupts."""
        self._open = False
        try:
            return fn()
        finally:
            self._open = True

    def reroute(
        self, route: Callable[[FrameType | None], bool] | None, also: type[BaseException] | None
    ) -> None:
        """Ask ``route`` first, with the frame that was interrupted.

        It returns True when it will see to the interrupt with ``take``, and False when the
        exception is to be raised right there. The exception is then of class ``also``, too.
        """
        self._route = route
        self._also = also
        if route is not None and self.waiting:
            self._deliver(None)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if forks.postpone(number):
            return
        if self._first is None:
            self._first = number
            if self._open:
                self._deliver(frame)

    def _deliver(self, frame: FrameType | None) -> None:
        if self._route is None or not self._route(frame):
            raise self.take()

    def _watch_unraisable(self) -> None:
        """Send an interrupt anew that Python has swallowed.

        It does so with whatever is raised in a finalizer or in the callback of a weak
        reference, and signals arrive there as anywhere: each import runs such callbacks.
        """
        following = sys.unraisablehook

        def hook(unraisable: Any) -> None:
            if self._error is None or unraisable.exc_value is not self._error:
                following(unraisable)
                return
            number, self._first, self._raised = self._first, None, False
            if number is not None:
                forks.send_again(number)

        sys.unraisablehook = hook

    def _uninstall(self) -> None:
        for number in (CANCEL, TIME_OUT):
            if signal.getsignal(number) == self._handle:
                signal.signal(number, signal.SIG_DFL)
