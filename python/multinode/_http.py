"""Between our steps and httpx, which is imported at the first request: it takes long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict

from multinode._config import Config
from multinode._steps import Failure, Request, Response

if TYPE_CHECKING:
    import httpx

# Seconds until a connection must stand, and until the answer must come.
_CONNECT_TIMEOUT = 10.0
_PATIENCE = 30.0
# ... beyond what the API may hold it.
_PATIENCE_BEYOND_A_WAIT = 15.0

# The machine's own addresses are never reached through a proxy, as by the command line.
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def client_arguments(config: Config) -> Dict[str, Any]:
    """Return what a client for this API is made with."""
    import httpx

    from multinode import __version__

    headers = {
        "Authorization": f"Bearer {config.api_key}",
        "User-Agent": f"multinode-python/{__version__}",
    }
    return {
        "base_url": config.api_url,
        "headers": headers,
        # How many there are is the drivers' business: here, one that has to wait for another
        # would be taken for one that gets no answer.
        "limits": httpx.Limits(max_connections=None, max_keepalive_connections=100),
        "mounts": dict.fromkeys((f"all://{host}" for host in _LOOPBACK), None),
    }


def request_arguments(request: Request) -> Dict[str, Any]:
    """Return what a client's ``request`` is called with."""
    import httpx

    query, patience = dict(request.query), _PATIENCE
    if request.wait:
        query["wait"] = str(request.wait)
        patience = request.wait + _PATIENCE_BEYOND_A_WAIT
    return {
        "method": request.method,
        "url": request.path,
        "params": query or None,
        "json": request.body,
        "headers": dict(request.headers),
        "timeout": httpx.Timeout(patience, connect=_CONNECT_TIMEOUT),
    }


def response(answer: httpx.Response) -> Response:
    """Turn httpx's answer into ours."""
    return Response(answer.status_code, answer.content, dict(answer.headers))


def failure(error: Exception, config: Config) -> Failure:
    """Turn httpx's error into our step's."""
    return Failure(str(error) or type(error).__name__, config.api_url)
