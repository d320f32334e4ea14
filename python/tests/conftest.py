"""Fixtures that stand a client before a fake API."""

from __future__ import annotations

import asyncio
from typing import Any, AsyncIterator, Callable, Iterator, List

import httpx
import pytest

from multinode import _calls, _connection, _requests, get_deployed_function
from multinode._config import Config

from .fake_api import FakeApi

WORKER_VARIABLES = [
    "MULTINODE_PROJECT_NAME",
    "MULTINODE_VERSION_ID",
    "MULTINODE_FUNCTION_NAME",
    "MULTINODE_INVOCATION_ID",
    "MULTINODE_EXECUTION_ID",
    "MULTINODE_API_URL",
    "MULTINODE_API_KEY",
]


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Neither a worker nor a login."""
    for name in WORKER_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, clean_environment: None) -> Iterator[FakeApi]:
    """A fake API that the environment points to; pauses between retries take no time."""
    config = Config("http://multinode.test", "secret")
    fake = FakeApi()
    monkeypatch.setenv("MULTINODE_API_URL", config.api_url)
    monkeypatch.setenv("MULTINODE_API_KEY", config.api_key)
    monkeypatch.setattr(_requests, "_FIRST_PAUSE", 0.0)
    monkeypatch.setattr(_requests, "_LONGEST_PAUSE", 0.0)
    monkeypatch.setattr(_calls, "_REST", 0.0)
    _connection.connect(config, httpx.MockTransport(fake.handle))
    yield fake
    _connection._connections.clear()


class Caller:
    """Calls a function's methods, or their asyncio twins, by the same names."""

    def __init__(self, function: Any, twin: bool) -> None:
        self.function = function
        self._twin = twin

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if not self._twin:
            return getattr(self.function, name)  # type: ignore[no-any-return]
        method = getattr(self.function, name + "_async")
        if name in ("map", "starmap"):
            return lambda *args: _run_all(method(*args))
        return lambda *args, **kwargs: asyncio.run(method(*args, **kwargs))


def _run_all(results: AsyncIterator[Any]) -> Iterator[Any]:
    async def collect() -> List[Any]:
        return [result async for result in results]

    return iter(asyncio.run(collect()))


@pytest.fixture(params=["blocking", "asyncio"])
def twin(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "asyncio")


@pytest.fixture
def f(api: FakeApi, twin: bool) -> Caller:
    """The deployed function ``f`` of the fake API."""
    return Caller(get_deployed_function("shop", "f"), twin)


@pytest.fixture
def wrap(twin: bool) -> Callable[[Any], Caller]:
    return lambda function: Caller(function, twin)
