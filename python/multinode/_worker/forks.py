"""Keeps signals from being lost while the user's code forks.

Python forgets, in a new child, the signals that have come and whose handlers did not run yet; and
it swallows whatever a handler raises while the functions run that stand around a fork. So signals
are held up for as long as a fork takes, and those that come through at its edges are sent anew.
"""

from __future__ import annotations

import _thread
import os
import signal
import time
from typing import Callable, Iterable

_forking = False
_masks: dict[int, set[int]] = {}


def guard(uninstall: Callable[[], None], signals: Iterable[int]) -> None:
    """Hold up the signals around each fork; ``uninstall`` their handlers in the child.

    To be called in the main thread.
    """
    main = _thread.get_ident()
    held = frozenset(signals)

    def before() -> None:
        global _forking
        thread = _thread.get_ident()
        if thread == main:  # the one in which handlers run
            _forking = True
        _masks[thread] = signal.pthread_sigmask(signal.SIG_BLOCK, held)

    def after() -> None:
        global _forking
        thread = _thread.get_ident()
        # What was held up arrives within this call.
        signal.pthread_sigmask(signal.SIG_SETMASK, _masks.pop(thread))
        if thread == main:
            _forking = False

    def after_in_child() -> None:
        uninstall()
        after()

    os.register_at_fork(before=before, after_in_parent=after, after_in_child=after_in_child)


def postpone(number: int) -> bool:
    """Send the signal anew in a moment if its handler must not raise just now."""
    if _forking:
        send_again(number)
    return _forking


def send_again(number: int) -> None:
    """Send the signal anew in a moment."""
    _thread.start_new_thread(_send, (number,))


def _send(number: int) -> None:
    time.sleep(0.001)
    os.kill(os.getpid(), number)
