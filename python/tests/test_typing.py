"""What a type checker knows of decorated functions.

These functions are checked by mypy, which complains of an ignore that nothing needs; they are
never called.
"""

from __future__ import annotations

from typing import AsyncIterator, Iterator, List

from multinode import Multinode

mn = Multinode()


@mn.function(cpu=1.0)
def plain(x: int, y: str = "") -> List[str]:
    return [y] * x


@mn.function()
def generator(x: int) -> Iterator[float]:
    yield float(x)


@mn.function()
async def coroutine(x: int) -> str:
    return str(x)


@mn.function()
async def async_generator(x: int) -> AsyncIterator[bytes]:
    yield bytes(x)


def results_have_the_type_of_the_function() -> None:
    a: List[str] = plain.call_remote(1, y="a")
    b: float = generator.call_remote(1)
    c: str = coroutine.await_result("inv-1")
    d: bytes = async_generator.call_local(1)
    e: Iterator[float] = generator.map([1])
    f: str = plain.call_remote(1)  # type: ignore[assignment]
    print(a, b, c, d, e, f)


def arguments_are_checked() -> None:
    plain.start("1")  # type: ignore[arg-type]
    plain.call_local(1, z="")  # type: ignore[call-arg]
    coroutine.start()  # type: ignore[call-arg]
    plain(1)  # type: ignore[operator]


async def twins_are_typed_alike() -> None:
    a: List[str] = await plain.call_remote_async(1)
    b: str = await coroutine.call_local_async(1)
    async for c in generator.map_async([1]):
        d: float = c
        print(a, b, d)
    await plain.start_async("1")  # type: ignore[arg-type]


def test_the_functions_above_are_declared() -> None:
    assert list(mn.functions) == ["plain", "generator", "coroutine", "async_generator"]
