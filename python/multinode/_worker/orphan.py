"""Notices the end of the runner where the kernel does not tell.

On Linux the kernel kills this process when the runner dies. Elsewhere a thread
waits for the end of the pipe that the runner holds.
"""

import os
import select
import signal
import threading


def watch(descriptor: int = 3) -> None:
    """Kill this process and all it has started once the runner is gone."""
    threading.Thread(target=_wait, args=(descriptor,), name="multinode-orphan", daemon=True).start()


def _wait(descriptor: int) -> None:
    poll = select.poll()
    # No events are asked for: hang-ups are reported all the same.
    poll.register(descriptor, 0)
    while True:
        if any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll()):
            os.killpg(os.getpgrp(), signal.SIGKILL)
