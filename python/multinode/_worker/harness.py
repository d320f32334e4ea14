"""The order of events in a worker's Python process."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import sys
import time
from functools import partial
from typing import Any, Callable, NoReturn

from multinode._worker import frames
from multinode._worker.calls import run
from multinode._worker.failures import format_traceback, message
from multinode._worker.frames import Channel
from multinode._worker.interrupts import Interrupts
from multinode._worker.project import ProjectError, find_multinode, load_main
from multinode._worker.values import decode_input, encode_output


def main() -> NoReturn:
    """Run one call and end the process; never returns.

    The process ends at once after its last event: functions registered with
    atexit run, but threads that the user's code left running are not waited for,
    since an invocation is over when its function is.
    """
    _prepare_process()
    channel = Channel()
    interrupts = Interrupts(reached=lambda: channel.send(frames.INTERRUPTED))
    interrupts.install()
    owner = os.getpid()
    os.register_at_fork(after_in_child=channel.close)
    channel.send(frames.READY)

    try:
        assignment = json.loads(channel.receive(frames.ASSIGNMENT))
        text = channel.receive(frames.INPUT).decode("utf-8")
    except EOFError:
        # The runner has gone: there is nobody left to work for.
        _leave(1)
    kind, body = _run(assignment, text, channel, interrupts)
    if os.getpid() != owner:
        # A fork that the user's code made has come back through its function.
        _leave(0)
    interrupts.finish()
    flush()
    channel.send(kind, body)
    _leave(0)


def _prepare_process() -> None:
    # The current folder is not a place to import from before the project is
    # loaded: a file named json.py in it must not break the harness.
    sys.path[:] = [entry for entry in sys.path if entry]
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            # write_through: nothing is lost when the process crashes.
            reconfigure(line_buffering=True, write_through=True)
    import faulthandler

    # A crash in native code leaves a Python traceback in the log.
    faulthandler.enable()
    if sys.platform != "linux":
        from multinode._worker.orphan import watch

        watch()


def _run(
    assignment: dict[str, Any], text: str, channel: Channel, interrupts: Interrupts
) -> tuple[bytes, bytes]:
    """Run the user's code and return the call's last frame."""

    def emit(item: Any) -> str:
        encoded = encode_output(item)
        channel.send(frames.YIELD, encoded.encode("utf-8"))
        return encoded

    try:
        _set_environment(assignment.get("environment") or {})
        fn = interrupts.call(partial(_load, assignment))
        args, kwargs = interrupts.call(partial(decode_input, text))
        channel.send(frames.STARTED)
        output = run(partial(fn, *args, **kwargs), interrupts, encode_output, emit)
        return frames.OUTPUT, output.encode("utf-8")
    except BaseException as error:
        return frames.ERROR, _describe(error, interrupts)


def _load(assignment: dict[str, Any]) -> Callable[..., Any]:
    module = load_main(assignment["project_dir"])
    name = assignment["function_name"]
    function = find_multinode(module).functions.get(name)
    if function is None or function.fn is None:
        raise ProjectError(f"main.py has no function named {name!r}")
    return function.fn


def _describe(error: BaseException, interrupts: Interrupts) -> bytes:
    flush()
    _write_to_log(format_traceback(error))
    kind = interrupts.kind if interrupts.caused(error) else None
    return json.dumps({"kind": kind or "failed", "message": message(error)}).encode("ascii")


def _write_to_log(text: str) -> None:
    # Not by sys.stderr: the user's code may have closed or replaced it.
    rest = memoryview(text.encode("utf-8", "backslashreplace"))
    try:
        while rest:
            rest = rest[os.write(2, rest) :]
    except OSError:
        pass  # the message still arrives, in the last frame


def _set_environment(values: dict[str, str]) -> None:
    for name, value in values.items():
        # What tells the worker who it is cannot be overridden by a .env file that
        # was written for the deployer's own machine.
        if not (name.startswith("MULTINODE_") and name in os.environ):
            os.environ[name] = value
    if "TZ" in values:
        time.tzset()


def flush() -> None:
    """Write out what Python still buffers, whatever became of the streams."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        with contextlib.suppress(Exception):
            stream.flush()  # type: ignore[union-attr]


def _leave(code: int) -> NoReturn:
    with contextlib.suppress(BaseException):
        atexit._run_exitfuncs()
    flush()
    _flush_native()
    os._exit(code)


def _flush_native() -> None:
    """Write out what extension modules have printed with C's stdio."""
    if not any(_is_foreign_extension(module) for module in list(sys.modules.values())):
        return
    try:
        import ctypes

        ctypes.CDLL(None).fflush(None)
    except Exception:
        pass


def _is_foreign_extension(module: Any) -> bool:
    path = getattr(module, "__file__", None)
    return isinstance(path, str) and path.endswith(".so") and "lib-dynload" not in path
