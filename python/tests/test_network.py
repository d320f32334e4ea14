"""The client over real sockets."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Iterator, List

import pytest

from multinode import _connection, _requests, get_deployed_function
from multinode.errors import ApiUnreachable, InvocationCancelledError

from .conftest import Caller
from .fake_api import SPEC

pytestmark = pytest.mark.usefixtures("clean_environment")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: List[Any]

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.seen.append((self.client_address, self.path, dict(self.headers), body))
        answer = json.dumps(
            {
                "project_name": "shop",
                "version_id": "ver-1",
                "functions": [{"function_name": "f", **SPEC}],
                "invocation_id": "inv-1",
                "invocation_status": "TERMINATED",
                "status": "SUCCEEDED",
                "output": '"done"',
                "error_message": None,
                "num_failed_attempts": 0,
            }
        ).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[List[Any]]:
    """What reaches a real server, below a path, that the environment points to."""
    requests: List[Any] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("H", (Handler,), {"seen": requests}))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("MULTINODE_API_URL", f"http://127.0.0.1:{server.server_port}/base/")
    monkeypatch.setenv("MULTINODE_API_KEY", "secret")
    yield requests
    for connection in _connection._connections.values():
        client = connection.sync._client
        if client is not None:
            client[1].close()
    _connection._connections.clear()
    server.shutdown()
    server.server_close()
    thread.join()


def test_requests_as_they_are_sent(seen: List[Any], wrap: Callable[[Any], Caller]) -> None:
    f = wrap(get_deployed_function("shop", "f"))
    assert f.call_remote(1) == "done"
    base = "/base/projects/shop/versions"
    assert [path for _, path, _, _ in seen] == [
        f"{base}/latest",
        f"{base}/ver-1/functions/f/invocations",
        f"{base}/ver-1/functions/f/invocations/inv-1?wait=30",
    ]
    headers = {name.lower(): value for name, value in seen[1][2].items()}
    assert headers["authorization"] == "Bearer secret"
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"].startswith("multinode-python/2.")
    assert len(headers["idempotency-key"]) == 32
    assert json.loads(seen[1][3]) == {"input": "[[1], {}]", "parent_invocation": None}


def test_this_machine_is_not_reached_through_a_proxy(
    seen: List[Any], wrap: Callable[[Any], Caller], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(_requests, "TRIES", 1)
    assert wrap(get_deployed_function("shop", "f")).call_remote(1) == "done"


def test_connections_are_kept(seen: List[Any]) -> None:
    f = get_deployed_function("shop", "f")
    assert [f.call_remote(1) for _ in range(5)] == ["done"] * 5
    assert len({address for address, _, _, _ in seen}) == 1


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setenv("MULTINODE_API_URL", url)
    monkeypatch.setenv("MULTINODE_API_KEY", "secret")
    monkeypatch.setattr(_requests, "_FIRST_PAUSE", 0.0)
    with pytest.raises(ApiUnreachable, match=url):
        get_deployed_function("shop", "f")


@pytest.mark.skipif(os.name == "nt", reason="sends a signal")
def test_an_interrupt_comes_through_at_once(
    seen: List[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a worker, where a signal handler raises while the function waits."""
    release = threading.Event()
    first = threading.Lock()

    def interrupt(*_: Any) -> None:
        raise InvocationCancelledError

    def hold(handler: Handler) -> None:
        if first.acquire(blocking=False):
            os.kill(os.getpid(), signal.SIGUSR1)
        release.wait(10)

    previous = signal.signal(signal.SIGUSR1, interrupt)
    monkeypatch.setattr(Handler, "do_POST", hold)
    try:
        with pytest.raises(InvocationCancelledError):
            get_deployed_function("shop", "f").map(range(1000))
    finally:
        release.set()
        signal.signal(signal.SIGUSR1, previous)
