from __future__ import annotations

import dataclasses
import enum
import math
import subprocess
import sys
from typing import Any

import pytest

from multinode import _serialization
from multinode._worker import values
from multinode.errors import FunctionOutputSizeLimitExceeded, SerializationError


@dataclasses.dataclass
class Point:
    x: int


class Colour(enum.Enum):
    RED = 1


class Number(int):
    pass


_shared = [1]
_deep: list[Any] = []
for _ in range(5_000):
    _deep = [_deep]

VALUES = [
    None,
    True,
    0,
    -1.5,
    math.inf,
    10**30,
    "é \U0001f600 \ud800 \x00",
    "py/object",
    [],
    {},
    [1, [2, {"a": None, "": [3]}]],
    (1, 2),
    {1: 2, None: 3},
    {"py/object": "x"},
    {"json://1": 2},
    {"é": "json://"},
    [_shared, _shared],
    {1, 2},
    b"bytes",
    Point(1),
    Colour.RED,
    Number(3),
    [Number(3)],
    {"p": Point(2)},
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_encodes_as_jsonpickle_does(value: Any) -> None:
    assert values.encode_output(value) == _serialization.encode_output(value)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_decodes_as_jsonpickle_does(value: Any) -> None:
    text = _serialization.encode_input([value], {"key": value})
    args, kwargs = values.decode_input(text)
    expected = _serialization.decode(text)
    assert [list(args), kwargs] == [list(expected[0]), expected[1]]
    assert repr(args) == repr(expected[0])


def test_nan() -> None:
    assert values.encode_output(math.nan) == "NaN"
    assert math.isnan(values.decode_input("[[NaN], {}]")[0][0])


@pytest.mark.parametrize("value", [lambda: 1, _deep, [sys]], ids=["lambda", "deep", "module"])
def test_refuses_as_jsonpickle_does(value: Any) -> None:
    with pytest.raises(SerializationError) as expected:
        _serialization.encode_output(value)
    with pytest.raises(SerializationError) as actual:
        values.encode_output(value)
    assert str(actual.value) == str(expected.value)


def test_the_limit_counts_characters() -> None:
    assert len(values.encode_output("x" * 249_998)) == 250_000
    with pytest.raises(FunctionOutputSizeLimitExceeded):
        values.encode_output("x" * 249_999)


def test_plain_data_needs_no_jsonpickle() -> None:
    script = (
        "import sys; from multinode._worker import harness, values; import multinode\n"
        "values.encode_output({'a': [1, 'x', None]}); values.decode_input('[[1], {}]')\n"
        "heavy = {'jsonpickle', 'httpx', 'asyncio', 'inspect'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
