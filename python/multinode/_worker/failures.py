"""Words for what went wrong, for the log and for the outcome."""

from __future__ import annotations

import os
import sys
from types import TracebackType

from multinode._worker.project import ProjectError

_PACKAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")
# The folders of the code that calls the user's.
_HARNESS = tuple(os.path.join(_PACKAGE, name, "") for name in ("_worker", "_inspect"))
# What is below it never calls the user's code.
_TALK = os.path.join(_PACKAGE, "_connection.py")
MAX_MESSAGE = 16_384


def message(error: BaseException) -> str:
    """Describe the exception in one line where it has one, as Python itself does."""
    kind = type(error)
    name = kind.__qualname__
    if kind.__module__ != "builtins" and not kind.__module__.startswith("multinode."):
        name = f"{kind.__module__}.{name}"
    try:
        text = str(error)
    except Exception:
        text = "<its text cannot be shown>"
    if isinstance(error, SystemExit):
        code = 0 if error.code is None else error.code
        text = f"{code} (the function ended the process instead of returning)"
    if isinstance(error, ProjectError):
        return text
    return (f"{name}: {text}" if text else name)[:MAX_MESSAGE]


def format_traceback(error: BaseException, shorten: str = "") -> str:
    """Format the exception with its traceback, without the frames of the harness.

    ``shorten`` is a folder whose path is left out of the names of files.
    """
    if isinstance(error, ProjectError) or _is_ours(_users_part(error.__traceback__)):
        return message(error) + "\n"
    # Importing it takes a while, and most calls do not fail.
    import traceback

    for each in _chain(error):
        each.__traceback__ = _users_part(each.__traceback__)
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return text.replace(os.path.join(shorten, ""), "") if shorten else text


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    queue: list[BaseException | None] = [error]
    while queue:
        each = queue.pop()
        if each is not None and each not in found:
            found.append(each)
            queue += [each.__cause__, each.__context__]
    return found


def _users_part(frames: TracebackType | None) -> TracebackType | None:
    """Leave out the harness: what has called the user's code, and what has interrupted it.

    How this package talks to the API, which the user's code has called, is left out as well.
    """
    while frames is not None and _is_machinery(frames):
        frames = frames.tb_next
    each = frames
    while each is not None and each.tb_next is not None:
        if _is_harness(each.tb_next) or _path(each.tb_next) == _TALK:
            each.tb_next = None
        each = each.tb_next
    return frames


def _is_machinery(frame: TracebackType) -> bool:
    path = _path(frame)
    asyncio = sys.modules.get("asyncio")
    return (
        _is_harness(frame)
        or path.startswith("<frozen importlib")
        or (
            asyncio is not None and path.startswith(os.path.dirname(str(asyncio.__file__)) + os.sep)
        )
    )


def _is_harness(frame: TracebackType) -> bool:
    return _path(frame).startswith(_HARNESS)


def _is_ours(frame: TracebackType | None) -> bool:
    """Whether the harness called into this package, not into the user's code."""
    return frame is not None and _path(frame).startswith(_PACKAGE)


def _path(frame: TracebackType) -> str:
    return frame.tb_frame.f_code.co_filename
