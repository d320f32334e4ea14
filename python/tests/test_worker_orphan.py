from __future__ import annotations

import os
import subprocess
import sys

_SCRIPT = """
import subprocess, sys, time
from multinode._worker import orphan
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
orphan.watch(0)
print(child.pid, flush=True)
time.sleep(600)
"""


def test_everything_ends_with_the_runner() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _SCRIPT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        child = int(process.stdout.readline())
        os.kill(child, 0)
        process.stdin.close()
        # The child holds the pipe too: this waits until both have ended.
        assert process.stdout.read() == b""
        assert process.wait(60) == -9
