"""An API in memory, as far as the client's tests need one.

It says what the REST contract says; that the real gateway does too is tested beside it, in Go.
"""

from __future__ import annotations

import json
import threading
from typing import Any, Callable, Dict, List, Optional
from urllib.parse import unquote

import httpx

SPEC = {
    "resource_spec": {"virtual_cpus": 0.5, "memory_gbs": 1.0, "max_concurrency": 7},
    "execution_spec": {"max_retries": 2, "timeout_seconds": 60},
}

# Answers a request in place of the API, or returns None to let it pass.
Intervention = Callable[[httpx.Request], Optional[httpx.Response]]


def error(status: int, detail: Any, **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"detail": detail}, headers=headers)


class FakeApi:
    """Keeps invocations. ``outcome`` decides what becomes of one, from its input."""

    def __init__(self) -> None:
        self.requests: List[httpx.Request] = []
        self.interventions: List[Intervention] = []
        self.invocations: Dict[str, Dict[str, Any]] = {}
        self.bodies: List[Dict[str, Any]] = []
        self.latest = "ver-1"
        self.outcome: Callable[[str], Dict[str, Any]] = lambda text: succeeded(text)
        self._keys: Dict[str, str] = {}
        self._lock = threading.Lock()

    def handle(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            self.requests.append(request)
            if request.headers["authorization"] != "Bearer secret":
                return error(403, "The API key is invalid")
            for intervention in self.interventions:
                answer = intervention(request)
                if answer is not None:
                    return answer
            return self._route(request)

    def paths(self, method: str) -> List[str]:
        return [path(r) for r in self.requests if r.method == method]

    def _route(self, request: httpx.Request) -> httpx.Response:
        parts = path(request).strip("/").split("/")
        names = [unquote(part) for part in parts[1::2]]
        if names[0] != "shop":
            return error(404, "A project with this name does not exist")
        version = self.latest if names[1] == "latest" else names[1]
        if version not in ("ver-1", self.latest):
            return error(404, "A version with this ID does not exist for this project")
        if len(parts) == 4:
            functions = [{"function_name": n, "docker_image": "", **SPEC} for n in ("f", "g")]
            return httpx.Response(
                200, json={"project_name": "shop", "version_id": version, "functions": functions}
            )
        if len(parts) == 7:
            if request.method == "POST":
                return self._start(request, version)
            return self._list(request)
        info = self.invocations.get(names[3])
        if info is None or names[1] not in ("latest", info["version_id"]):
            return error(404, "An invocation with this ID does not exist for this function")
        if parts[-1] == "cancel":
            if info["invocation_status"] == "TERMINATED":
                return error(409, "This invocation has already terminated")
            info.update(status="CANCELLED", invocation_status="TERMINATED")
        return httpx.Response(200, json=info)

    def _start(self, request: httpx.Request, version: str) -> httpx.Response:
        body = json.loads(request.content)
        key = request.headers["idempotency-key"]
        if key not in self._keys:
            self.bodies.append(body)
            self._keys[key] = f"inv-{len(self._keys)}"
            self.invocations[self._keys[key]] = {
                "invocation_id": self._keys[key],
                "version_id": version,
                "status": "PENDING",
                "invocation_status": "RUNNING",
                "output": None,
                "error_message": None,
                "num_failed_attempts": 0,
                **self.outcome(body["input"]),
            }
        return httpx.Response(200, json=self.invocations[self._keys[key]])

    def _list(self, request: httpx.Request) -> httpx.Response:
        offset = request.url.params.get("initial_offset", "0")
        if not offset.isdecimal():
            return error(400, "The next offset is in an invalid format")
        begin = int(offset)
        ids = list(reversed(list(self.invocations)))
        more = str(begin + 50) if len(ids) > begin + 50 else None
        page = [{"invocation_id": i} for i in ids[begin : begin + 50]]
        return httpx.Response(200, json={"invocations": page, "next_offset": more})


def path(request: httpx.Request) -> str:
    return request.url.raw_path.decode().split("?")[0]


def succeeded(output: Optional[str]) -> Dict[str, Any]:
    return {"status": "SUCCEEDED", "invocation_status": "TERMINATED", "output": output}


def ended(status: str, message: Optional[str] = None, failures: int = 0) -> Dict[str, Any]:
    return {
        "status": status,
        "invocation_status": "TERMINATED",
        "error_message": message,
        "num_failed_attempts": failures,
    }


def first_argument(text: str) -> str:
    """Give the first argument back as the output."""
    return json.dumps(json.loads(text)[0][0])
