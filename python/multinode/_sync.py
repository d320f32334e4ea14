"""Does steps by blocking the calling thread."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, List, Optional, Tuple, TypeVar, Union

from multinode import _http as http
from multinode._config import Config
from multinode._steps import WIDTH, Failure, Request, Response, Sleep, Step, Steps

if TYPE_CHECKING:
    from concurrent.futures import Future

    import httpx

T = TypeVar("T")


class SyncDriver:
    """Runs chains of steps against one API. Safe to use from several threads, and after a fork."""

    def __init__(self, config: Config, transport: Optional[httpx.BaseTransport] = None) -> None:
        self._config = config
        self._transport = transport
        self._client: Optional[Tuple[int, httpx.Client]] = None

    def run(self, steps: Steps[T]) -> T:
        """Do all steps and return what they come to."""
        reply: Any = None
        try:
            while True:
                try:
                    step = steps.send(reply)
                except StopIteration as stop:
                    value: T = stop.value
                    return value
                reply = self._do(step)
        finally:
            steps.close()

    def _do(self, step: Step) -> Any:
        if isinstance(step, Request):
            return self._exchange(step)
        if isinstance(step, Sleep):
            return time.sleep(step.seconds)
        return self._together(step.chains)

    def _exchange(self, request: Request) -> Union[Response, Failure]:
        import httpx

        try:
            return http.response(self._open_client().request(**http.request_arguments(request)))
        except (httpx.TransportError, httpx.DecodingError) as error:
            return http.failure(error, self._config)

    def _open_client(self) -> httpx.Client:
        import httpx

        # Connections must not be shared with the process that this one was forked from. There is
        # no lock, which a fork could leave held: two threads may each make a client, at worst.
        if self._client is None or self._client[0] != os.getpid():
            client = httpx.Client(transport=self._transport, **http.client_arguments(self._config))
            self._client = (os.getpid(), client)
        return self._client[1]

    def _together(self, chains: List[Steps[Any]]) -> List[Any]:
        from concurrent.futures import ThreadPoolExecutor

        if not chains:
            return []
        self._open_client()  # once, before the threads need it
        pool = ThreadPoolExecutor(min(WIDTH, len(chains)), "multinode")
        try:
            return [_outcome(future) for future in [pool.submit(self.run, c) for c in chains]]
        finally:
            # When interrupted, do not begin what has not begun, and do not wait for the rest.
            pool.shutdown(wait=False, cancel_futures=True)


def _outcome(future: Future[Any]) -> Any:
    # An interrupt of this thread, while it waits, is not an outcome: it passes through.
    return future.exception() or future.result()
