"""What can be asked of the API about a deployed function, as chains of steps."""

from __future__ import annotations

import os
import shlex
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Type, Union

from multinode._environment import worker_context
from multinode._requests import PATIENT_TRIES, TRIES, path_of, send
from multinode._specs import FunctionSpec
from multinode._steps import Request, Sleep, Steps, Together
from multinode.core.children import MAX_CHILDREN, Children
from multinode.core.invocation import Invocation, InvocationStatus, status_from_wire
from multinode.errors import (
    FunctionDoesNotExist,
    InvalidUseError,
    InvocationCancelledError,
    InvocationDoesNotExist,
    InvocationFailedError,
    InvocationIsAlreadyTerminated,
    InvocationTimedOutError,
    MultinodeApiException,
    OffsetIsInvalid,
    ProjectDoesNotExist,
    VersionDoesNotExist,
)

LATEST = "latest"

# Seconds that the API holds a request for an unfinished invocation.
_WAIT = 30
# A yield or a change of status ends a wait early; after so many in a row, look less often.
_EARLY_ANSWERS, _REST = 10, 0.25


class Target(NamedTuple):
    """A function of a deployed version; by ID, LATEST finds the invocations of every version."""

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
    wanted = Target(project_name, reference, function_name)
    version = yield from _ask(wanted, Request("GET", path))
    specs = {info["function_name"]: FunctionSpec.from_wire(info) for info in version["functions"]}
    if function_name not in specs:
        raise FunctionDoesNotExist(
            f'Version "{version["version_id"]}" of project "{project_name}" has no function '
            f'"{function_name}". It has: {", ".join(sorted(specs)) or "none"}.'
        )
    target = Target(version["project_name"], version["version_id"], function_name)
    return target, specs[function_name]


class Start(NamedTuple):
    """An invocation to be started, however often it is asked for."""

    input_text: str
    key: str

    @classmethod
    def of(cls, input_text: str) -> Start:
        """Make one that is none of the others."""
        return cls(input_text, os.urandom(16).hex())


def start(target: Target, what: Start) -> Steps[str]:
    """Start an invocation and return its ID."""
    body = {"input": what.input_text, "parent_invocation": _parent(target)}
    # With this key the API takes a repeated request for what it is.
    headers = {"Idempotency-Key": what.key}
    info = yield from _ask(target, Request("POST", target.path(), body=body, headers=headers))
    return str(info["invocation_id"])


def start_all(target: Target, what: Sequence[Start]) -> Steps[List[str]]:
    """Start invocations and return their IDs in order; if one cannot start, cancel the others."""
    started: List[Any] = yield Together([start(target, each) for each in what])
    errors = [outcome for outcome in started if isinstance(outcome, BaseException)]
    if errors:
        yield Together([cancel(target, outcome) for outcome in started if isinstance(outcome, str)])
        raise errors[0]
    return started


def get(target: Target, invocation_id: str) -> Steps[Invocation]:
    """Get an invocation as it is now."""
    info = yield from _ask(target, _request_for(target, invocation_id), invocation_id)
    return Invocation.from_wire(info)


def await_result(target: Target, invocation_id: str) -> Steps[Any]:
    """Wait until an invocation has finished, and return its result."""
    early = 0
    request = _request_for(target, invocation_id)
    request = request._replace(wait=_WAIT)
    while True:
        info = yield from _ask(target, request, invocation_id, tries=PATIENT_TRIES)
        if status_from_wire(info).finished:
            own = target._replace(version_id=info["version_id"])
            return _result_of(Invocation.from_wire(info), own, invocation_id)
        early += 1
        if early > _EARLY_ANSWERS:
            yield Sleep(_REST)


def call(target: Target, what: Start) -> Steps[Any]:
    """Start an invocation, wait until it has finished, and return its result."""
    invocation_id = yield from start(target, what)
    return (yield from await_result(target, invocation_id))


def cancel(target: Target, invocation_id: str) -> Steps[None]:
    """Ask for an invocation to be cancelled."""
    request = Request("PUT", _request_for(target, invocation_id).path + "/cancel")
    done_before = (InvocationIsAlreadyTerminated,)
    try:
        yield from _ask(target, request, invocation_id, done_before=done_before)
    except InvocationIsAlreadyTerminated as error:
        raise InvocationIsAlreadyTerminated(
            f'Invocation "{invocation_id}" has ended: there is nothing to cancel.'
        ) from error


def children(target: Target, invocation_id: str) -> Steps[Children]:
    """Ask what an invocation has started itself."""
    request = _request_for(target, invocation_id)
    request = request._replace(query={"children": str(MAX_CHILDREN)})
    info = yield from _ask(target, request, invocation_id)
    return Children.from_wire(info["children"])


def page(target: Target, offset: Optional[str]) -> Steps[InvocationIdsList]:
    """List invocations, newest first."""
    query = {} if offset is None else {"initial_offset": offset}
    try:
        answer = yield from _ask(target, Request("GET", target.path(), query=query))
    except OffsetIsInvalid as error:
        raise OffsetIsInvalid(
            f"{offset!r} is no offset: give the next_offset of the page before, or None."
        ) from error
    ids = [invocation["invocation_id"] for invocation in answer["invocations"]]
    return InvocationIdsList(ids, answer["next_offset"])


def _request_for(target: Target, invocation_id: str) -> Request:
    _require_text(invocation_id, "invocation_id")
    return Request("GET", target.path(invocation_id))


def _ask(
    target: Target,
    request: Request,
    invocation_id: str = "",
    tries: int = TRIES,
    done_before: Tuple[Type[MultinodeApiException], ...] = (),
) -> Steps[Any]:
    """Send a request about the target, and name in the error what does not exist."""
    try:
        return (yield from send(request, tries, done_before))
    except (
        ProjectDoesNotExist,
        VersionDoesNotExist,
        FunctionDoesNotExist,
        InvocationDoesNotExist,
    ) as error:
        raise type(error)(_describe_missing(error, target, invocation_id)) from None


def _describe_missing(error: MultinodeApiException, target: Target, invocation_id: str) -> str:
    project, version = f'project "{target.project_name}"', f'Version "{target.version_id}"'
    if target.version_id == LATEST:
        version = "The latest version"
    if isinstance(error, ProjectDoesNotExist):
        return f"There is no {project}. `multinode list` shows those that there are."
    if isinstance(error, VersionDoesNotExist):
        describe = f"`multinode describe {_flag('project-name', target.project_name)}`"
        if target.version_id == LATEST:
            return f"There is no version of {project} that is ready. {describe} shows why."
        return f"{version} of {project} does not exist. {describe} shows those that do."
    if isinstance(error, FunctionDoesNotExist):
        return f'{version} of {project} has no function "{target.function_name}".'
    if target.version_id == LATEST:
        function = f'Function "{target.function_name}" of {project}'
        return f'{function} has no invocation "{invocation_id}".'
    return (
        f'Function "{target.function_name}" in version "{target.version_id}" of {project} has no '
        f'invocation "{invocation_id}". An invocation belongs to the version that it was '
        "started with."
    )


def _result_of(invocation: Invocation, target: Target, invocation_id: str) -> Any:
    kind: Union[
        Type[InvocationFailedError], Type[InvocationCancelledError], Type[InvocationTimedOutError]
    ]
    error = invocation.error
    if invocation.status is InvocationStatus.FAILED:
        kind, text = InvocationFailedError, error or "The invocation failed"
    elif invocation.status is InvocationStatus.CANCELLED:
        kind, text = InvocationCancelledError, "The invocation was cancelled"
    elif invocation.status is InvocationStatus.TIMED_OUT:
        kind, text = InvocationTimedOutError, "The invocation timed out"
    else:
        return invocation.result
    # An interrupt that the function let pass says nothing more.
    if error and kind is not InvocationFailedError and not error.startswith(kind.__name__):
        text += f": {error}"
    flags = [
        _flag("project-name", target.project_name),
        _flag("version-id", target.version_id),
        _flag("function-name", target.function_name),
        _flag("invocation-id", invocation_id),
    ]
    raise kind(
        f"{text} (invocation {invocation_id} of {target.project_name}/{target.function_name}; "
        f"its output: `multinode logs {' '.join(flags)}`)",
        invocation_id=invocation_id,
        function_name=target.function_name,
        project_name=target.project_name,
        error=error,
    )


def _flag(name: str, value: str) -> str:
    """Spell a flag of the command line, to be copied into a shell."""
    return f"--{name}={shlex.quote(value)}"


def _parent(target: Target) -> Optional[Dict[str, str]]:
    """Name the invocation that this process runs, if it belongs to the same project."""
    context = worker_context()
    if context is None or context.project_name != target.project_name:
        return None
    return {"function_name": context.function_name, "invocation_id": context.invocation_id}


def _require_text(value: Any, name: str) -> None:
    if not isinstance(value, str) or not value:
        raise InvalidUseError(f"{name} must be text that is not empty; {value!r} is not allowed.")
