"""Encoding and decoding, without jsonpickle where plain JSON says the same.

Most arguments and results are plain data, for which jsonpickle reads and writes ordinary JSON. A
worker that meets nothing else never imports jsonpickle, which takes longer than all the rest of
its start.
"""

from __future__ import annotations

import json
from typing import Any, Sequence, cast

from multinode._limits import MAX_OUTPUT_LENGTH
from multinode._worker.project import ProjectError

_SCALARS = frozenset((str, int, float, bool, type(None)))
# What jsonpickle marks its own objects and its keys with.
_MARKS = ("py/", "json://")


def decode_input(text: str) -> tuple[Sequence[Any], dict[str, Any]]:
    """Return the args and kwargs of the call.

    Raises ProjectError where the text is something else, and SerializationError where it cannot
    be decoded.
    """
    value = _decode(text)
    if not (
        isinstance(value, (list, tuple))
        and len(value) == 2
        and isinstance(value[0], (list, tuple))
        and isinstance(value[1], dict)
    ):
        raise ProjectError("the input has to be [args, kwargs]: a list of a list and an object")
    return value[0], cast("dict[str, Any]", value[1])


def encode_output(value: Any) -> str:
    """Do what ``multinode._serialization.encode_output`` does, with the same errors."""
    try:
        if _is_plain(value, set()):
            text = json.dumps(value)
            if len(text) <= MAX_OUTPUT_LENGTH:
                return text
    except (ValueError, RecursionError):
        pass  # the other one finds the words for it
    from multinode import _serialization

    return _serialization.encode_output(value)


def _decode(text: str) -> Any:
    if not any(mark in text for mark in _MARKS):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            pass
    from multinode import _serialization

    return _serialization.decode(text)


def _is_plain(value: Any, seen: set[int]) -> bool:
    """Whether there are only JSON's own types in it, and no list or dictionary twice."""
    kind = type(value)
    if kind in _SCALARS:
        return True
    if kind is not list and kind is not dict:
        return False
    if id(value) in seen:
        return False
    seen.add(id(value))
    if kind is list:
        return all(_is_plain(item, seen) for item in value)
    return all(
        type(key) is str and not key.startswith(_MARKS) and _is_plain(item, seen)
        for key, item in value.items()
    )
