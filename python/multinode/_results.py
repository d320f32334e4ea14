"""The results of many invocations, in order.

Neither is a generator, which would end where one result raises. What was interrupted while it was
waited for, by Ctrl-C or by a time limit such as that of ``asyncio.wait_for``, is given when the
next result is asked for: only what came, or raised, is over.
"""

from __future__ import annotations

import heapq
from typing import Any, AsyncIterator, Awaitable, Callable, Generic, Iterator, List, Optional

from multinode._typing import R


class _Waiting:
    """The invocations whose results were not given yet, by their places."""

    def __init__(self, ids: List[str]) -> None:
        self._ids = ids
        self._left = list(range(len(ids)))  # in order, which makes it a heap

    def next(self) -> Optional[int]:
        return heapq.heappop(self._left) if self._left else None

    def put_back(self, place: int) -> None:
        heapq.heappush(self._left, place)

    def id_of(self, place: int) -> str:
        return self._ids[place]


class Results(Iterator[R], Generic[R]):
    """Gives the results of invocations that were started."""

    def __init__(self, ids: List[str], await_result: Callable[[str], Any]) -> None:
        self._waiting = _Waiting(ids)
        self._await_result = await_result

    def __next__(self) -> R:
        place = self._waiting.next()
        if place is None:
            raise StopIteration
        try:
            result: R = self._await_result(self._waiting.id_of(place))
        except Exception:
            raise
        except BaseException:
            self._waiting.put_back(place)
            raise
        return result


class AsyncResults(AsyncIterator[R], Generic[R]):
    """Starts all when the first result is asked for, and gives the results one by one."""

    def __init__(
        self,
        start_all: Callable[[], Awaitable[List[str]]],
        await_result: Callable[[str], Awaitable[Any]],
    ) -> None:
        """Take what starts all, which is called again where it was interrupted."""
        self._start_all = start_all
        self._await_result = await_result
        self._waiting: Optional[_Waiting] = None

    async def __anext__(self) -> R:
        waiting = await self._started()
        place = waiting.next()
        if place is None:
            raise StopAsyncIteration
        try:
            result: R = await self._await_result(waiting.id_of(place))
        except Exception:
            raise
        except BaseException:
            waiting.put_back(place)
            raise
        return result

    async def _started(self) -> _Waiting:
        if self._waiting is None:
            try:
                ids = await self._start_all()
            except Exception:
                self._waiting = _Waiting([])  # what was started is cancelled: there is no more
                raise
            if self._waiting is None:  # somebody else may have asked meanwhile
                self._waiting = _Waiting(ids)
        return self._waiting
