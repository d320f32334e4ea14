"""Between our steps and httpx, which is imported at the first request: it takes long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict

from multinode._config import Config
from multinode._steps import Failure, Request, Response

if TYPE_CHECKING:
    import httpx

# Seconds until a connection must stand.
_CONNECT_TIMEOUT = 10.0


def client_arguments(config: Config) -> Dict[str, Any]:
    """Return what a client for this API is made with."""
    from multinode import __version__

    headers = {
        "Authorization": f"Bearer {config.api_key}",
        "User-Agent": f"multinode-python/{__version__}",
    }
    return {"base_url": config.api_url, "headers": headers}


def request_arguments(request: Request) -> Dict[str, Any]:
    """Return what a client's ``request`` is called with."""
    import httpx

    return {
        "method": request.method,
        "url": request.path,
        "params": dict(request.query) or None,
        "json": request.body,
        "headers": dict(request.headers),
        "timeout": httpx.Timeout(request.patience, connect=_CONNECT_TIMEOUT),
    }


def response(answer: httpx.Response) -> Response:
    """Turn httpx's answer into ours."""
    return Response(answer.status_code, answer.content, dict(answer.headers))


def failure(error: Exception, config: Config) -> Failure:
    """Turn httpx's error into our step's."""
    return Failure(str(error) or type(error).__name__, config.api_url)
