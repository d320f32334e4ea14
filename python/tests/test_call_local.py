"""call_local gives what a worker would."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, AsyncIterator, Callable, Iterator

import pytest

from multinode import Multinode
from multinode.errors import InvalidUseError

from .conftest import Caller

mn = Multinode()


@mn.function()
def add(a: int, b: int = 1) -> int:
    return a + b


@mn.function()
def count(n: int) -> Iterator[int]:
    yield from range(n)


@mn.function()
async def add_async(a: int, b: int = 1) -> int:
    await asyncio.sleep(0)
    return a + b


@mn.function()
async def count_async(n: int) -> AsyncIterator[int]:
    for i in range(n):
        yield i


@mn.function()
def fail() -> None:
    raise ValueError("no good")


@pytest.mark.parametrize("function", [add, add_async])
def test_plain(wrap: Callable[[Any], Caller], function: Any) -> None:
    assert wrap(function).call_local(1, b=2) == 3


@pytest.mark.parametrize("function", [count, count_async])
def test_the_last_yield_is_the_result(wrap: Callable[[Any], Caller], function: Any) -> None:
    assert wrap(function).call_local(3) == 2
    assert wrap(function).call_local(0) is None


def test_errors_pass_through(wrap: Callable[[Any], Caller]) -> None:
    with pytest.raises(ValueError, match="no good"):
        wrap(fail).call_local()


async def test_an_async_function_within_a_loop() -> None:
    with pytest.raises(InvalidUseError, match="call_local_async"):
        add_async.call_local(1)
    assert await add_async.call_local_async(1) == 2


async def test_a_plain_function_does_not_block_the_loop() -> None:
    own = Multinode()

    @own.function()
    def where() -> int:
        return threading.get_ident()

    assert await where.call_local_async() != threading.get_ident()
