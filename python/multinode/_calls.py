"""What can be asked of the API about a deployed function, as chains of steps."""

from __future__ import annotations

import os
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from multinode._environment import worker_context
from multinode._requests import PATIENT_TRIES, path_of, send
from multinode._specs import FunctionSpec
from multinode._steps import Request, Sleep, Steps, Together
from multinode.core.invocation import Invocation, InvocationStatus, status_from_wire
from multinode.errors import (
    FunctionDoesNotExist,
    InvalidUseError,
    InvocationCancelledError,
    InvocationFailedError,
    InvocationIsAlreadyTerminated,
    InvocationTimedOutError,
)

LATEST = "latest"

# Seconds that the API holds a request for an unfinished invocation.
_WAIT = 30
# A yield or a change of status ends a wait early; after so many in a row, look less often.
_EARLY_ANSWERS, _REST = 10, 0.25


class Target(NamedTuple):
    """A function of a deployed version."""

    project_name: str
    version_id: str
    function_name: str

    def path(self, *more: str) -> str:
        """Return the path of the function's invocations, or of something below."""
        names = ("projects", self.project_name, "versions", self.version_id)
        return path_of(*names, "functions", self.function_name, "invocations", *more)


class InvocationIdsList(NamedTuple):
    """A page of a function's invocations.

    Attributes:
        invocation_ids: at most 50 IDs, newest first.
        next_offset: what gets the next page, or None on the last.
    """

    invocation_ids: List[str]
    next_offset: Optional[str]


def find(
    project_name: str, function_name: str, version_id: Optional[str]
) -> Steps[Tuple[Target, FunctionSpec]]:
    """Find a function of a version, by default of the latest that is deployed now."""
    reference = LATEST if version_id is None else version_id
    _require_text(project_name, "project_name")
    _require_text(function_name, "function_name")
    _require_text(reference, "version_id")
    path = path_of("projects", project_name, "versions", reference)
    version = yield from send(Request("GET", path))
    specs = {info["function_name"]: FunctionSpec.from_wire(info) for info in version["functions"]}
    if function_name not in specs:
        raise FunctionDoesNotExist(
            f'Version "{version["version_id"]}" of project "{project_name}" has no function '
            f'"{function_name}". It has: {", ".join(sorted(specs)) or "none"}.'
        )
    target = Target(version["project_name"], version["version_id"], function_name)
    return target, specs[function_name]


def start(target: Target, input_text: str) -> Steps[str]:
    """Start an invocation and return its ID."""
    body = {"input": input_text, "parent_invocation": _parent(target)}
    # With this key the API takes a repeated request for what it is.
    headers = {"Idempotency-Key": os.urandom(16).hex()}
    info = yield from send(Request("POST", target.path(), body=body, headers=headers))
    return str(info["invocation_id"])


def start_all(target: Target, input_texts: Sequence[str]) -> Steps[List[str]]:
    """Start invocations and return their IDs in order; if one cannot start, cancel the others."""
    started: List[Any] = yield Together([start(target, text) for text in input_texts])
    errors = [outcome for outcome in started if isinstance(outcome, BaseException)]
    if errors:
        yield Together([cancel(target, outcome) for outcome in started if isinstance(outcome, str)])
        raise errors[0]
    return started


def get(target: Target, invocation_id: str) -> Steps[Invocation]:
    """Get an invocation as it is now."""
    info = yield from send(_request_for(target, invocation_id))
    return Invocation.from_wire(info)


def await_result(target: Target, invocation_id: str) -> Steps[Any]:
    """Wait until an invocation has finished, and return its result."""
    early = 0
    request = _request_for(target, invocation_id)
    while True:
        info = yield from send(
            request._replace(query={"wait": str(_WAIT)}, patience=_WAIT + 15.0), PATIENT_TRIES
        )
        if status_from_wire(info).finished:
            return _result_of(Invocation.from_wire(info), invocation_id)
        early += 1
        if early > _EARLY_ANSWERS:
            yield Sleep(_REST)


def call(target: Target, input_text: str) -> Steps[Any]:
    """Start an invocation, wait until it has finished, and return its result."""
    invocation_id = yield from start(target, input_text)
    return (yield from await_result(target, invocation_id))


def cancel(target: Target, invocation_id: str) -> Steps[None]:
    """Ask for an invocation to be cancelled."""
    path = _request_for(target, invocation_id).path + "/cancel"
    yield from send(Request("PUT", path), done_before=(InvocationIsAlreadyTerminated,))


def page(target: Target, offset: Optional[str]) -> Steps[InvocationIdsList]:
    """List invocations, newest first."""
    query = {} if offset is None else {"initial_offset": offset}
    answer = yield from send(Request("GET", target.path(), query=query))
    ids = [invocation["invocation_id"] for invocation in answer["invocations"]]
    return InvocationIdsList(ids, answer["next_offset"])


def _request_for(target: Target, invocation_id: str) -> Request:
    _require_text(invocation_id, "invocation_id")
    return Request("GET", target.path(invocation_id))


def _result_of(invocation: Invocation, invocation_id: str) -> Any:
    if invocation.status is InvocationStatus.FAILED:
        raise InvocationFailedError(invocation.error or "The invocation failed.")
    if invocation.status is InvocationStatus.CANCELLED:
        raise InvocationCancelledError(f"The invocation {invocation_id} was cancelled.")
    if invocation.status is InvocationStatus.TIMED_OUT:
        raise InvocationTimedOutError(f"The invocation {invocation_id} timed out.")
    return invocation.result


def _parent(target: Target) -> Optional[Dict[str, str]]:
    """Name the invocation that this process runs, if it belongs to the same project."""
    context = worker_context()
    if context is None or context.project_name != target.project_name:
        return None
    return {"function_name": context.function_name, "invocation_id": context.invocation_id}


def _require_text(value: Any, name: str) -> None:
    if not isinstance(value, str) or not value:
        raise InvalidUseError(f"{name} must be text that is not empty; {value!r} is not allowed.")
