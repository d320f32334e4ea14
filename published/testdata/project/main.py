"""What the tests run on workers of the published package."""

import os
import signal
import time

from multinode import Multinode
from multinode.errors import InvocationCancelledError, InvocationTimedOutError

mn = Multinode()


def wait_for(path):
    """Waits until somebody opens the named pipe for writing."""
    with open(path):
        pass


@mn.function()
def add(x, y=1):
    return x + y


@mn.function()
def environment():
    return {name: value for name, value in os.environ.items() if name.startswith("MULTINODE_")}


@mn.function()
def steps(path):
    yield "first"
    wait_for(path)
    yield "second"


@mn.function()
def refuse():
    raise ValueError("no good")


@mn.function()
def tidy_up():
    """Yields what it was interrupted by."""
    try:
        yield "running"
        time.sleep(600)
    except (InvocationCancelledError, InvocationTimedOutError) as interrupt:
        yield type(interrupt).__name__


@mn.function()
def sleep():
    time.sleep(600)


@mn.function()
def short():
    time.sleep(600)


@mn.function()
def ignore():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    yield "running"
    time.sleep(600)


@mn.function()
def crash_once(marker):
    try:
        open(marker, "x").close()
    except FileExistsError:
        return "second try"
    os._exit(3)


@mn.function()
def crash():
    os._exit(3)


@mn.function()
def parent(path):
    child = sleep.start()
    yield child
    wait_for(path)
