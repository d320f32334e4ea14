"""Starts the real harness in a process of its own and speaks with it in frames."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

PACKAGE_DIR = Path(__file__).parent.parent

_BOOT = """
import os
os.dup2({0}, 100); os.dup2({1}, 101); os.dup2(100, 3); os.dup2(101, 4); os.closerange(5, 128)
from multinode._worker.harness import main
main()
"""


class Worker:
    """A harness that runs the function ``f`` of a main.py."""

    def __init__(self, project: Path, source: str) -> None:
        (project / "main.py").write_text(
            "from multinode import Multinode\nmn = Multinode()\n" + source, encoding="utf-8"
        )
        self.project = project
        commands, self._commands = os.pipe()
        self._events, events = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-c", _BOOT.format(commands, events)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            pass_fds=(commands, events),
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PACKAGE_DIR)},
        )
        os.close(commands)
        os.close(events)

    def assign(self, text: str = "[[], {}]", **environment: str) -> Worker:
        assignment = {
            "project_dir": str(self.project),
            "function_name": "f",
            "environment": environment,
        }
        for kind, body in ((b"A", json.dumps(assignment).encode()), (b"I", text.encode())):
            os.write(self._commands, kind + len(body).to_bytes(4, "big") + body)
        return self

    def event(self) -> tuple[str, Any]:
        """Return the next event, ("", None) at the end."""
        header = self._read(5)
        if not header:
            return "", None
        body = self._read(int.from_bytes(header[1:], "big"))
        return header[:1].decode(), json.loads(body) if body else None

    def events(self) -> list[tuple[str, Any]]:
        """Return the rest of the events."""
        found = []
        while (event := self.event())[0]:
            found.append(event)
        return found

    def until(self, kind: str) -> None:
        while (event := self.event())[0] != kind:
            assert event[0], f"the events ended before {kind}"

    def interrupt(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def hang_up(self) -> None:
        """End the pipe of commands, as when the runner dies."""
        os.close(self._commands)
        self._commands = -1

    def output(self) -> tuple[str, str]:
        stdout, stderr = self.process.communicate(timeout=60)
        return stdout.decode(), stderr.decode()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        os.close(self._events)
        if self._commands >= 0:
            os.close(self._commands)

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size and (part := os.read(self._events, size - len(data))):
            data += part
        return data
