"""What the fault suite runs: each function's result follows from its arguments."""

import os
import subprocess
import time
from datetime import timedelta
from pathlib import Path

from multinode import Multinode

mn = Multinode()

FEW = 3


@mn.function(max_concurrency=100, max_retries=50)
def quick(n):
    return 2 * n


@mn.function(max_concurrency=FEW, max_retries=50)
def slow(n):
    time.sleep(0.3)
    return n + 1


@mn.function(max_concurrency=100, max_retries=50)
def steps(n):
    for i in range(1, n + 1):
        yield i
        time.sleep(0.05)


@mn.function(max_concurrency=100, max_retries=1)
def fails(n):
    raise ValueError(n)


@mn.function(max_concurrency=100, max_retries=1)
def crashes(n):
    os._exit(7)


@mn.function(max_concurrency=100, max_retries=50)
def retried(folder, n):
    """Succeeds at the third try."""
    for name in (f"{folder}-1", f"{folder}-2"):
        try:
            Path(name).touch(exist_ok=False)
        except FileExistsError:
            continue
        raise ConnectionError(name)
    return n


@mn.function(max_concurrency=100, max_retries=50)
def spawns(n):
    return sum(quick.map(range(n)))


@mn.function(max_concurrency=100, max_retries=50)
def family(n):
    return list(sleeps.map(range(n)))


@mn.function(max_concurrency=100, max_retries=50)
def sleeps(n):
    while True:
        time.sleep(0.05)


@mn.function(max_concurrency=100, max_retries=50)
def leaves(n):
    """Leaves a process behind that must not outlive it."""
    subprocess.Popen(["sleep", "3600"], start_new_session=True)
    return n


@mn.function(max_concurrency=100, max_retries=50, timeout=timedelta(seconds=1))
def overruns(n):
    while True:
        time.sleep(0.05)


@mn.function(max_concurrency=FEW)
def occupies(n):
    while True:
        time.sleep(0.05)
