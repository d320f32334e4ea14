"""Runs a function here as a worker would, down to its one result.

asyncio is imported only where it is needed: importing it takes long.
"""

from __future__ import annotations

from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, Callable

from multinode.errors import InvalidUseError


def run(call: Callable[[], Any]) -> Any:
    """Call a function of any kind and return its result, or its last yield."""
    result = _run_plain(call)
    if not isinstance(result, (CoroutineType, AsyncGeneratorType)):
        return result
    import asyncio

    if _in_event_loop():
        if isinstance(result, CoroutineType):
            result.close()
        raise InvalidUseError(
            "An async function cannot be called so while an event loop runs in this thread: "
            "use `await f.call_local_async(...)`."
        )
    return asyncio.run(_finish(result))


async def run_async(call: Callable[[], Any]) -> Any:
    """Do the same in a thread, or on the running event loop if the function is an async one."""
    import asyncio

    return await _finish(await asyncio.to_thread(_run_plain, call))


def _run_plain(call: Callable[[], Any]) -> Any:
    result = call()
    if not isinstance(result, GeneratorType):
        return result
    last = None
    for last in result:  # noqa: B007
        pass
    return last


async def _finish(result: Any) -> Any:
    if isinstance(result, CoroutineType):
        return await result
    if not isinstance(result, AsyncGeneratorType):
        return result
    last = None
    async for last in result:  # noqa: B007
        pass
    return last


def _in_event_loop() -> bool:
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
