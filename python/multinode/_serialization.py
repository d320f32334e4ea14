"""How arguments and results travel: as jsonpickle text.

Needs the standard library and jsonpickle only, because the worker imports it at every start.

jsonpickle replaces what it cannot express by nothing, or by something else, without a word. So
each value is first pickled into the void: what the stricter ``pickle`` refuses is refused here.
Keys of dictionaries that are not strings keep their type. Numpy's values travel by their own
pickle protocol, which any jsonpickle restores, with or without its numpy extension.
"""

from __future__ import annotations

import re
import types
import warnings
from typing import Any, Mapping, Sequence, cast

import jsonpickle
from jsonpickle import handlers
from jsonpickle.unpickler import loadclass

from multinode._limits import MAX_INPUT_LENGTH, MAX_OUTPUT_LENGTH
from multinode.errors import (
    FunctionInputSizeLimitExceeded,
    FunctionOutputSizeLimitExceeded,
    InvocationCancelledError,
    InvocationTimedOutError,
    SerializationError,
)

# In a worker they may be raised at any time, and must not be taken for an error of ours.
_INTERRUPTS = (InvocationCancelledError, InvocationTimedOutError)

# What pickle accepts and jsonpickle does not bring back.
_NOT_RESTORED = (
    type(Ellipsis),
    type(NotImplemented),
    types.MethodType,
    types.ModuleType,
)


def encode_input(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Encode the arguments of an invocation.

    Raises:
        SerializationError: an argument cannot be sent.
        FunctionInputSizeLimitExceeded: the text has more than 250,000 characters.
    """
    text = _encode([list(args), dict(kwargs)], "The arguments")
    if len(text) > MAX_INPUT_LENGTH:
        raise FunctionInputSizeLimitExceeded(
            f"The arguments take {len(text):,} characters when encoded; at most "
            f"{MAX_INPUT_LENGTH:,} can be sent. Store large data elsewhere and send where it is."
        )
    return text


def encode_output(value: Any) -> str:
    """Encode a result, or an intermediate one.

    Raises:
        SerializationError: the result cannot be sent.
        FunctionOutputSizeLimitExceeded: the text has more than 250,000 characters.
    """
    text = _encode(value, "The result")
    if len(text) > MAX_OUTPUT_LENGTH:
        raise FunctionOutputSizeLimitExceeded(
            f"The result takes {len(text):,} characters when encoded; at most "
            f"{MAX_OUTPUT_LENGTH:,} can be returned. Store large data elsewhere and return "
            "where it is."
        )
    return text


def decode(text: str) -> Any:
    """Decode what :func:`encode_input` or :func:`encode_output` made, or any jsonpickle text.

    An object whose class cannot be imported here becomes a dictionary, with a warning.
    Decoding runs code that the text names: decode only what a trusted party encoded.

    Raises:
        SerializationError: the text cannot be decoded.
    """
    try:
        if '"py/reduce"' in text or '"py/type"' in text:
            text = _with_numpy_of_here(text)
            _refuse_what_is_missing(text)
        return jsonpickle.decode(text, keys=True, safe=True, on_missing=_warn_of_missing_class)
    except _INTERRUPTS:
        raise
    except Exception as error:
        raise SerializationError(
            f"The value cannot be decoded: {_describe(error)}. Its classes must be importable, "
            "in compatible versions, on both sides."
        ) from error


def _encode(value: Any, what: str) -> str:
    try:
        _refuse_what_would_be_lost(value)
        return cast(str, jsonpickle.encode(value, keys=True))
    except _INTERRUPTS:
        raise
    except Exception as error:
        raise SerializationError(
            f"{what} cannot be serialised: {_describe(error)}. Plain data, dataclasses, numpy "
            "arrays and instances of importable classes can; open files, locks, generators, "
            "lambdas and objects holding them cannot."
        ) from error


def _refuse_what_would_be_lost(value: Any) -> None:
    # Imported late: a worker needs it only when the user's function has returned.
    import pickle

    class Check(pickle.Pickler):
        def reducer_override(self, obj: Any) -> Any:
            if isinstance(obj, _NOT_RESTORED) or _is_method_of_instance(obj):
                raise TypeError(f"cannot serialise {type(obj).__name__!r} object")
            if not isinstance(obj, type) and _has_handler_of_its_own(type(obj)):
                return str, ()  # how to express it is its author's business
            return NotImplemented

    Check(_Void(), protocol=4).dump(value)


def _is_method_of_instance(obj: Any) -> bool:
    owner = getattr(obj, "__self__", None) if isinstance(obj, types.BuiltinMethodType) else None
    return owner is not None and not isinstance(owner, (types.ModuleType, type))


def _has_handler_of_its_own(cls: type) -> bool:
    # jsonpickle's own handlers are for what pickle takes as well.
    module = getattr(handlers.get(cls), "__module__", "")
    return bool(module) and module not in (handlers.__name__, __name__)


class _BytearrayHandler(handlers.BaseHandler):  # type: ignore[misc]
    """Keeps a bytearray's bytes, which jsonpickle by itself loses.

    Its text is one that any jsonpickle restores, without this handler.
    """

    def flatten(self, obj: bytearray, data: Any) -> Any:
        arguments = self.context.flatten((bytes(obj),), reset=False)
        return {"py/reduce": [{"py/type": "builtins.bytearray"}, arguments]}


if handlers.get(bytearray) is None:
    handlers.register(bytearray, _BytearrayHandler)


# A quote within a string would be preceded by a backslash: these are never found in users' text.
_NUMPY_FUNCTION = re.compile(r'"py/function": "numpy\._?core\.')
_REFERENCE = re.compile(r'"py/(?:function|type)": "([^"\\]+)"')


def _with_numpy_of_here(text: str) -> str:
    # numpy 2 moved the functions that restore arrays; 1.26 knows both names.
    if not _NUMPY_FUNCTION.search(text):
        return text
    core = (
        "numpy.core" if loadclass("numpy._core.multiarray._reconstruct") is None else "numpy._core"
    )
    return _NUMPY_FUNCTION.sub(f'"py/function": "{core}.', text)


def _refuse_what_is_missing(text: str) -> None:
    # jsonpickle would silently make an empty list of what it finds no function for.
    for name in set(_REFERENCE.findall(text)):
        if loadclass(name) is None:
            raise ImportError(f"{name} cannot be imported here")


class _Void:
    """A file that keeps nothing."""

    def write(self, data: Any) -> int:
        return len(data)


def _warn_of_missing_class(name: str) -> None:
    warnings.warn(
        f"The class {name} cannot be imported here: its instance becomes a dictionary.",
        stacklevel=2,
    )


def _describe(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    text = str(error).rstrip(".")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
