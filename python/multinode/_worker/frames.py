"""The frames on the two pipes between the runner and this process."""

import contextlib
import os

ASSIGNMENT = b"A"
INPUT = b"I"
READY = b"R"
STARTED = b"S"
YIELD = b"Y"
INTERRUPTED = b"X"
OUTPUT = b"O"
ERROR = b"E"

_HEADER = 5


class Channel:
    """Both directions of the conversation with the runner.

    Only the main thread may send: frames are written without a lock.
    """

    def __init__(self, commands: int = 3, events: int = 4) -> None:
        self._commands = commands
        self._events = events
        # Programs that the user's code starts must not hold on to the pipes.
        os.set_inheritable(commands, False)
        os.set_inheritable(events, False)

    def receive(self, kind: bytes) -> bytes:
        """Return the body of the next frame, which has to be of this kind.

        Raises EOFError when the runner has gone.
        """
        header = self._read(_HEADER)
        if header[:1] != kind:
            raise ValueError(f"expected a frame {kind!r}, but got {header[:1]!r}")
        return self._read(int.from_bytes(header[1:], "big"))

    def send(self, kind: bytes, body: bytes = b"") -> None:
        """Write one frame, as a whole."""
        rest = memoryview(kind + len(body).to_bytes(4, "big") + body)
        while rest:
            rest = rest[os.write(self._events, rest) :]

    def close(self) -> None:
        """Let go of both pipes; meant for forked children, which must not speak."""
        for descriptor in (self._commands, self._events):
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _read(self, size: int) -> bytes:
        parts = []
        while size > 0:
            part = os.read(self._commands, min(size, 1 << 20))
            if not part:
                raise EOFError("the runner has closed the pipe")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)
