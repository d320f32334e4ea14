"""Does steps without blocking, on asyncio."""

from __future__ import annotations

import asyncio
from typing import (
    TYPE_CHECKING,
    Any,
    AsyncGenerator,
    List,
    MutableMapping,
    Optional,
    Tuple,
    TypeVar,
    Union,
)
from weakref import WeakKeyDictionary

from multinode import _http as http
from multinode._config import Config
from multinode._steps import WIDTH, Failure, Request, Response, Sleep, Step, Steps

if TYPE_CHECKING:
    import httpx

    Lifetime = AsyncGenerator["_Loop", None]

T = TypeVar("T")


# Requests of an event loop that are under way at the same time: those that are answered at once,
# and those that wait for news, which must not keep the others waiting.
_PROMPT, _WAITING = 64, 256
# Where more than half of that wait, newcomers do so for this many seconds, and take turns.
_TURN = 2


class _Loop:
    """What an event loop has: its client, and room for a number of requests."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self._prompt = asyncio.Semaphore(_PROMPT)
        self._waiting = asyncio.Semaphore(_WAITING)
        self._crowd = 0

    async def send(self, request: Request) -> httpx.Response:
        """Send a request when there is room for it."""
        if not request.wait:
            async with self._prompt:
                return await self.client.request(**http.request_arguments(request))
        self._crowd += 1
        try:
            async with self._waiting:
                if self._crowd > _WAITING // 2:
                    request = request._replace(wait=_TURN)
                return await self.client.request(**http.request_arguments(request))
        finally:
            self._crowd -= 1


class AsyncDriver:
    """Runs chains of steps against one API, from any number of event loops."""

    def __init__(
        self, config: Config, transport: Optional[httpx.AsyncBaseTransport] = None
    ) -> None:
        self._config = config
        self._transport = transport
        self._loops: MutableMapping[asyncio.AbstractEventLoop, Tuple[_Loop, Lifetime]] = (
            WeakKeyDictionary()
        )

    async def run(self, steps: Steps[T]) -> T:
        """Do all steps and return what they come to."""
        reply: Any = None
        try:
            while True:
                try:
                    step = steps.send(reply)
                except StopIteration as stop:
                    value: T = stop.value
                    return value
                reply = await self._do(step)
        finally:
            steps.close()

    async def _do(self, step: Step) -> Any:
        if isinstance(step, Request):
            return await self._exchange(step)
        if isinstance(step, Sleep):
            return await asyncio.sleep(step.seconds)
        return await self._together(step.chains)

    async def _exchange(self, request: Request) -> Union[Response, Failure]:
        import httpx

        loop = await self._this_loop()
        try:
            return http.response(await loop.send(request))
        except (httpx.TransportError, httpx.DecodingError) as error:
            return http.failure(error, self._config)

    async def _this_loop(self) -> _Loop:
        loop = asyncio.get_running_loop()
        if loop not in self._loops:
            lifetime = self._lifetime(loop)
            self._loops[loop] = (await lifetime.__anext__(), lifetime)
        return self._loops[loop][0]

    async def _lifetime(self, loop: asyncio.AbstractEventLoop) -> Lifetime:
        """Make the client of a loop, and close it with the loop.

        A loop closes the generators that were begun on it before it ends; nothing else tells
        that it ends.
        """
        import httpx

        client = httpx.AsyncClient(transport=self._transport, **http.client_arguments(self._config))
        try:
            yield _Loop(client)
        finally:
            self._loops.pop(loop, None)
            await client.aclose()

    async def _together(self, chains: List[Steps[Any]]) -> List[Any]:
        room = asyncio.Semaphore(WIDTH)

        async def run(steps: Steps[Any]) -> Any:
            async with room:
                return await self.run(steps)

        return await asyncio.gather(*map(run, chains), return_exceptions=True)
