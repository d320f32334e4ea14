"""The results of many invocations, on asyncio."""

from __future__ import annotations

from typing import Any, AsyncIterator, Awaitable, Callable, Generic, Iterator, List, Optional

from multinode._typing import R


class AsyncResults(AsyncIterator[R], Generic[R]):
    """Starts all when the first result is asked for, and gives the results one by one.

    Unlike an async generator, it goes on to the next result after one that raised.
    """

    def __init__(
        self,
        start_all: Callable[[], Awaitable[List[str]]],
        await_result: Callable[[str], Awaitable[Any]],
    ) -> None:
        self._start_all = start_all
        self._await_result = await_result
        self._ids: Optional[Iterator[str]] = None

    async def __anext__(self) -> R:
        if self._ids is None:
            self._ids = iter(await self._start_all())
        for invocation_id in self._ids:
            result: R = await self._await_result(invocation_id)
            return result
        raise StopAsyncIteration
