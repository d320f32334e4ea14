"""Many invocations at once, on asyncio."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest

from multinode import _connection, get_deployed_function_async
from multinode._asyncio import _PROMPT, _WAITING, AsyncDriver
from multinode._config import Config
from multinode.errors import InvocationFailedError

from .fake_api import FakeApi, ended, succeeded


class Gate(httpx.AsyncBaseTransport):
    """Holds the requests that wait for news until it is opened."""

    def __init__(self, api: FakeApi) -> None:
        self.api = api
        self.open = asyncio.Event()
        self.full = asyncio.Event()
        self.waits: Counter[str] = Counter()
        self.inside = self.most = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        wait = request.url.params.get("wait")
        if wait is not None:
            self.waits[wait] += 1
            if sum(self.waits.values()) == _WAITING:
                self.full.set()
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            # Answers that need no wait take a turn of the loop, so that a crowd is one.
            await (self.open.wait() if wait is not None else asyncio.sleep(0))
            return self.api.handle(request)
        finally:
            self.inside -= 1


async def test_those_who_wait_leave_room_for_the_others(api: FakeApi) -> None:
    gate = Gate(api)
    config = Config("http://multinode.test", "secret")
    driver = _connection.current()._asyncio = AsyncDriver(config, gate)
    function = await get_deployed_function_async("shop", "f")
    calls = [asyncio.ensure_future(function.call_remote_async(n)) for n in range(2 * _WAITING)]
    await gate.full.wait()
    # All places of those who wait are taken, and for as many again there is none.
    ids = await asyncio.gather(*(function.start_async("x") for _ in range(200)))
    assert len(set(ids)) == 200
    assert gate.most <= _WAITING + _PROMPT
    assert set(gate.waits) == {"30", "2"}  # a crowd takes turns
    gate.open.set()
    assert await asyncio.gather(*calls) == [[[n], {}] for n in range(2 * _WAITING)]
    assert [loop._crowd for loop, _ in driver._loops.values()] == [0]


async def test_a_result_whose_wait_was_cut_short_is_the_next_again(api: FakeApi) -> None:
    gate = Gate(api)
    config = Config("http://multinode.test", "secret")
    _connection.current()._asyncio = AsyncDriver(config, gate)
    function = await get_deployed_function_async("shop", "f")
    results = function.map_async([1, 2, 3])
    for _ in range(2):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(results.__anext__(), 0.05)
    gate.open.set()
    assert [result async for result in results] == [[[n], {}] for n in (1, 2, 3)]
    assert len(api.bodies) == 3


async def test_a_start_that_was_cut_short_is_not_repeated(api: FakeApi) -> None:
    function = await get_deployed_function_async("shop", "f")
    arrived, proceed = asyncio.Event(), asyncio.Event()

    class Slow(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await request.aread()
            answer = api.handle(request)  # stored before the answer is lost
            if request.method == "POST" and not proceed.is_set():
                arrived.set()
                await proceed.wait()
            return answer

    _connection.current()._asyncio = AsyncDriver(Config("http://multinode.test", "secret"), Slow())
    results = function.map_async(range(5))
    first = asyncio.ensure_future(results.__anext__())
    await arrived.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    proceed.set()
    assert [result async for result in results] == [[[n], {}] for n in range(5)]
    assert len(api.invocations) == 5


async def test_two_may_ask_for_results(api: FakeApi) -> None:
    function = await get_deployed_function_async("shop", "f")
    results = function.map_async(range(4))
    both = await asyncio.gather(*(results.__anext__() for _ in range(4)))
    assert sorted(both) == [[[n], {}] for n in range(4)]
    assert len(api.invocations) == 4


async def test_where_one_cannot_start_there_is_nothing_to_go_on_with(api: FakeApi) -> None:
    function = await get_deployed_function_async("shop", "f")
    api.interventions.append(
        lambda request: (
            httpx.Response(400, json={"detail": "no"}) if request.method == "POST" else None
        )
    )
    results = function.map_async([1, 2])
    with pytest.raises(Exception, match="no"):
        await results.__anext__()
    api.interventions.clear()
    assert [result async for result in results] == []
    assert api.bodies == []


def test_an_interrupted_wait_is_taken_up_again(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    from multinode import get_deployed_function

    api.outcome = lambda text: ended("FAILED", "no") if "2" in text else succeeded("true")
    results: Any = get_deployed_function("shop", "f").map([1, 2, 3])

    def interrupt(request: httpx.Request) -> None:
        raise KeyboardInterrupt

    api.interventions.append(interrupt)
    with pytest.raises(KeyboardInterrupt):
        next(results)
    api.interventions.clear()
    assert next(results) is True
    with pytest.raises(InvocationFailedError):
        next(results)
    assert list(results) == [True]
