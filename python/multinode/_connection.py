"""The connections of this process: one to each API that it talks to.

What they need is imported when they are first used: ``import multinode`` is to be fast, also for
those who never talk to the API.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, Optional, TypeVar

from multinode._config import Config, load_config
from multinode._steps import Steps

if TYPE_CHECKING:
    import httpx

    from multinode._asyncio import AsyncDriver
    from multinode._sync import SyncDriver

T = TypeVar("T")


class Connection:
    """The two ways to talk to an API."""

    def __init__(self, config: Config, transport: Optional[httpx.MockTransport] = None) -> None:
        self._config = config
        self._transport = transport
        self._sync: Optional[SyncDriver] = None
        self._asyncio: Optional[AsyncDriver] = None

    @property
    def sync(self) -> SyncDriver:
        """What blocks the calling thread."""
        if self._sync is None:
            from multinode._sync import SyncDriver

            self._sync = SyncDriver(self._config, self._transport)
        return self._sync

    @property
    def asyncio(self) -> AsyncDriver:
        """What runs on the event loop."""
        if self._asyncio is None:
            from multinode._asyncio import AsyncDriver

            self._asyncio = AsyncDriver(self._config, self._transport)
        return self._asyncio


_connections: Dict[Config, Connection] = {}


def current() -> Connection:
    """Return the connection to the configured API. Nothing is sent yet.

    Raises:
        ConfigurationError: it is not configured which API that is, or not properly.
    """
    config = load_config()
    return _connections.get(config) or connect(config)


def connect(config: Config, transport: Optional[httpx.MockTransport] = None) -> Connection:
    """Make the connection to an API, in place of an earlier one.

    Args:
        config: the API.
        transport: what answers in place of the network, in tests.
    """
    made = _connections[config] = Connection(config, transport)
    return made


def run(steps: Steps[T]) -> T:
    """Do steps against the configured API, blocking; raises as :func:`current` does."""
    return current().sync.run(steps)


async def run_async(steps: Steps[T]) -> T:
    """Do steps against the configured API, on asyncio; raises as :func:`current` does."""
    return await current().asyncio.run(steps)
