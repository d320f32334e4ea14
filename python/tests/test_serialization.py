"""What travels arrives as it was, and what cannot is refused."""

from __future__ import annotations

import collections
import contextvars
import datetime
import decimal
import fractions
import functools
import io
import json
import pathlib
import random
import re
import socket
import sys
import threading
import types
import uuid
import weakref
from typing import Any, Callable, Dict, List

import jsonpickle
import numpy as np
import pytest

from multinode._serialization import decode, encode_input, encode_output
from multinode.errors import (
    FunctionOutputSizeLimitExceeded,
    InvocationCancelledError,
    InvocationTimedOutError,
    SerializationError,
)

from .serializable import (
    Colour,
    Frozen,
    Handled,
    HoldsLambda,
    KeepsLockOut,
    Pair,
    Point,
    ReducesToMethod,
    Slotted,
    module_function,
)

UTC = datetime.timezone.utc

VALUES: List[Any] = [
    None, True, 0, -1, 10**40, 1.5, float("inf"), "", "é😀\n\0", "\ud800", b"", b"\x00\xff",
    bytearray(b"ab"), bytearray(), [], (), {}, set(), frozenset({1}), (1, (2, [3])), {1: 2},
    {(1, 2): {None: [True]}}, {"json://x": 1}, {1.5: b"x"}, 1j, range(1, 9, 2), slice(1, None),
    datetime.datetime(2024, 2, 29, 1, 2, 3, 4, UTC), datetime.date(2024, 1, 1),
    datetime.timedelta(1, 2, 3), datetime.time(1, 2), decimal.Decimal("1.10"),
    fractions.Fraction(1, 3), uuid.UUID(int=7), pathlib.PurePosixPath("/a/b"), re.compile("a+"),
    Colour.RED, {Colour.BLUE: Colour.RED}, Point(1, Point([2], None)), Frozen("x"), Pair(1, [2]),
    {Frozen(1): 2}, Slotted(3), KeepsLockOut(4), Handled(5), collections.OrderedDict(b=1, a=2),
    collections.Counter("aab"), collections.defaultdict(list, {1: [2]}), collections.deque([1], 3),
    int, Point, len, module_function, types.SimpleNamespace(a=1),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:40])
def test_what_travels(value: Any) -> None:
    for wrapped in (value, [value, {"k": value}]):
        back = decode(encode_output(wrapped))
        assert back == wrapped
        assert type(back) is type(wrapped)
    args, kwargs = decode(encode_input((value,), {"k": value}))
    assert (args, kwargs) == ([value], {"k": value})


def test_exceptions_travel() -> None:
    back = decode(encode_output(ValueError("no", 3)))
    assert (type(back), back.args) == (ValueError, ("no", 3))


def test_sharing_and_cycles_are_kept() -> None:
    shared: List[Any] = [1]
    cycle: Dict[str, Any] = {"a": shared, "b": shared}
    cycle["self"] = cycle
    back = decode(encode_output(cycle))
    assert back["a"] is back["b"]
    assert back["self"] is back


ARRAYS: List[Any] = [
    np.arange(3), np.array(3.5), np.zeros((0, 3)), np.arange(24.0).reshape(2, 3, 4),
    np.arange(24).reshape(4, 6)[::2, 1:], np.arange(6).reshape(2, 3).T, np.array(["a", "bc"]),
    np.array([1, "x", None, {1: 2}], dtype=object), np.array([np.nan, np.inf]),
    np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]), np.array(["2020-01-01"], "M8[ns]"),
    np.array([1 + 2j]), np.array([True]), np.arange(3, dtype=">i4"), np.arange(200, dtype="u1"),
]  # fmt: skip


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: repr(array)[:40])
def test_arrays_travel(array: Any) -> None:
    back, again = decode(encode_output([array, array]))
    assert back is again
    assert back.shape == array.shape
    assert back.dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
    assert back.flags.writeable
    np.testing.assert_array_equal(back, array)


def test_a_part_of_an_array_leaves_the_rest_behind() -> None:
    assert len(encode_output(np.zeros(10**6)[:10])) < 1000


@pytest.mark.parametrize("scalar", [np.float32(1.5), np.int64(3), np.bool_(True), np.str_("x")])
def test_scalars_travel(scalar: Any) -> None:
    back = decode(encode_output(scalar))
    assert (type(back), back) == (type(scalar), scalar)


@pytest.mark.filterwarnings("ignore:keys will default:DeprecationWarning")
def test_plain_jsonpickle_understands_arrays_and_bytes() -> None:
    value: Dict[str, Any] = {"a": np.arange(20), "b": bytearray(b"x"), "c": Point(1, 2)}
    back = jsonpickle.decode(encode_output(value))
    np.testing.assert_array_equal(back["a"], value["a"])
    assert (back["b"], back["c"]) == (value["b"], value["c"])


def test_plain_json_is_understood() -> None:
    assert decode('[[1, 2.5], {"x": null}]') == [[1, 2.5], {"x": None}]


def local_class_instance() -> Any:
    class Local: ...

    return Local()


class Bound:
    def method(self) -> None: ...


LOST: Dict[str, Callable[[], Any]] = {
    "lambda": lambda: lambda: 1,
    "generator": lambda: (x for x in [1]),
    "endless generator": lambda: iter_forever(),
    "file": lambda: sys.__stdout__,
    "socket": lambda: socket.socket.__new__(socket.socket),
    "lock": threading.Lock,
    "thread": threading.current_thread,
    "module": lambda: sys,
    "ellipsis": lambda: ...,
    "not implemented": lambda: NotImplemented,
    "memoryview": lambda: memoryview(b"a"),
    "dictionary view": lambda: {1: 2}.keys(),
    "mapping proxy": lambda: types.MappingProxyType({}),
    "weak reference": lambda: weakref.ref(Bound),
    "context variable": lambda: contextvars.ContextVar("x"),
    "local class": local_class_instance,
    "method": lambda: Bound().method,
    "method of a list": lambda: [].append,
    "factory": lambda: collections.defaultdict(lambda: 1),
    "object that holds a lambda": HoldsLambda,
    "reduced to a method": ReducesToMethod,
    "partial of a lambda": lambda: functools.partial(lambda: 1),
    "standard input": lambda: io.TextIOWrapper(io.BytesIO()),
}


def iter_forever() -> Any:
    while True:
        yield 1


@pytest.mark.parametrize("make", LOST.values(), ids=LOST.keys())
def test_what_would_be_lost_is_refused(make: Callable[[], Any]) -> None:
    value = make()
    for wrapped in (value, {"k": [value]}, Point(value, 1)):
        with pytest.raises(SerializationError, match="The result cannot be serialised"):
            encode_output(wrapped)
    with pytest.raises(SerializationError, match="The arguments cannot be serialised"):
        encode_input((), {"k": value})


@pytest.mark.parametrize("interrupt", [InvocationCancelledError, InvocationTimedOutError])
def test_interrupts_pass_through(interrupt: Any) -> None:
    class Interrupting:
        def __reduce__(self) -> Any:
            raise interrupt

    with pytest.raises(interrupt):
        encode_output(Interrupting())


def test_deep_nesting_is_refused() -> None:
    deep: List[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(SerializationError, match="nested too deeply"):
        encode_output(deep)
    with pytest.raises(SerializationError, match="nested too deeply"):
        decode("[" * 100_000 + "]" * 100_000)
    while deep:  # freeing it all at once is deep as well
        deep = deep[0]


def test_the_limit_of_results() -> None:
    assert len(encode_output("x" * 249_998)) == 250_000
    with pytest.raises(FunctionOutputSizeLimitExceeded, match="250,001 characters"):
        encode_output("x" * 249_999)


@pytest.mark.parametrize("text", ["", "{", "nonsense"])
def test_what_cannot_be_decoded(text: str) -> None:
    with pytest.raises(SerializationError, match="cannot be decoded"):
        decode(text)


def test_a_class_that_is_not_here() -> None:
    text = json.dumps({"py/object": "nowhere.Missing", "a": 1})
    with pytest.warns(UserWarning, match=r"nowhere\.Missing cannot be imported"):
        assert decode(text)["a"] == 1


@pytest.mark.parametrize(
    "reference",
    [
        {"py/type": "nowhere.Missing"},
        {"py/reduce": [{"py/type": "nowhere.Missing"}, {"py/tuple": [1]}]},
        {"py/reduce": [{"py/function": "pathlib.missing"}, {"py/tuple": [1]}]},
    ],
)
def test_what_cannot_be_restored_here_is_not_dropped(reference: Any) -> None:
    with pytest.raises(SerializationError, match=r"(Missing|missing) cannot be imported here"):
        decode(json.dumps([reference]))


@pytest.mark.parametrize("core", ["numpy.core", "numpy._core"])
def test_arrays_of_either_generation_of_numpy(core: str) -> None:
    text = encode_output([np.arange(3), np.float32(1), "numpy.core.x", '"py/type": "x"'])
    text = text.replace('"numpy._core.mul', f'"{core}.mul').replace(
        '"numpy.core.mul', f'"{core}.mul'
    )
    array, scalar, plain, quoted = decode(text)
    np.testing.assert_array_equal(array, np.arange(3))
    assert (scalar, plain, quoted) == (1, "numpy.core.x", '"py/type": "x"')


def test_nothing_is_evaluated() -> None:
    assert decode('{"py/repr": "sys/sys.exit()"}') is None


def random_value(chance: random.Random, depth: int, pool: List[Any]) -> Any:
    pick = chance.random()
    if depth == 0 or pick < 0.35:
        return chance.choice([*LEAVES])
    if pick < 0.45 and pool:
        return chance.choice(pool)  # the same object again
    items = [random_value(chance, depth - 1, pool) for _ in range(chance.randint(0, 3))]
    keys = [item for item in items if _hashable(item)]
    makers: List[Callable[[], Any]] = [
        lambda: items,
        lambda: tuple(items),
        lambda: dict(enumerate(items)),
        lambda: dict.fromkeys("ab", items),
        lambda: dict.fromkeys(keys, items),
        lambda: set(keys),
        lambda: frozenset(keys),
        lambda: collections.deque(items),
        lambda: Pair(items, items),
        lambda: Point(items, keys),
        lambda: bytearray(len(items)),
    ]
    value = chance.choice(makers)()
    pool.append(value)
    return value


LEAVES = [None, True, 1, 2.5, "s", "py/x", b"b", 1j, Colour.RED, decimal.Decimal("1.5"), Frozen(1)]


def _hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def test_random_values_travel() -> None:
    for seed in range(1500):
        value = random_value(random.Random(seed), 4, [])
        assert decode(encode_output(value)) == value, seed
