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

    Lifetime = AsyncGenerator[httpx.AsyncClient, None]

T = TypeVar("T")


class AsyncDriver:
    """Runs chains of steps against one API, from any number of event loops."""

    def __init__(
        self, config: Config, transport: Optional[httpx.AsyncBaseTransport] = None
    ) -> None:
        self._config = config
        self._transport = transport
        self._clients: MutableMapping[
            asyncio.AbstractEventLoop, Tuple[httpx.AsyncClient, Lifetime]
        ] = WeakKeyDictionary()

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

        client = await self._open_client()
        try:
            return http.response(await client.request(**http.request_arguments(request)))
        except (httpx.TransportError, httpx.DecodingError) as error:
            return http.failure(error, self._config)

    async def _open_client(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            lifetime = self._lifetime(loop)
            self._clients[loop] = (await lifetime.__anext__(), lifetime)
        return self._clients[loop][0]

    async def _lifetime(self, loop: asyncio.AbstractEventLoop) -> Lifetime:
        """Make the client of a loop, and close it with the loop.

        A loop closes the generators that were begun on it before it ends; nothing else tells
        that it ends.
        """
        import httpx

        client = httpx.AsyncClient(transport=self._transport, **http.client_arguments(self._config))
        try:
            yield client
        finally:
            self._clients.pop(loop, None)
            await client.aclose()

    async def _together(self, chains: List[Steps[Any]]) -> List[Any]:
        room = asyncio.Semaphore(WIDTH)

        async def run(steps: Steps[Any]) -> Any:
            async with room:
                return await self.run(steps)

        return await asyncio.gather(*map(run, chains), return_exceptions=True)
