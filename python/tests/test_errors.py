"""The API's errors are told apart by status and exact text."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from multinode import errors
from multinode.api_client import error_types
from multinode.errors import ApiException, MultinodeApiException, MultinodeError

from .conftest import Caller
from .fake_api import FakeApi, error

CONTRACT = [
    ("ApiKeyIsInvalid", 403, "The API key is invalid"),
    ("OffsetIsInvalid", 400, "The next offset is in an invalid format"),
    ("ParentFunctionNameIsMissing", 400, "The parent function name is missing"),
    ("ParentInvocationIdIsMissing", 400, "The parent invocation ID is missing"),
    ("ProjectNameIsTooLong", 400, "The project name is too long"),
    ("ProjectIsBeingDeleted", 400, "The project is being deleted"),
    ("ParentInvocationDoesNotExist", 400, "The ID of the parent invocation is invalid"),
    ("ProjectAlreadyExists", 409, "A project with this name already exists."),
    ("ProjectDoesNotExist", 404, "A project with this name does not exist"),
    ("VersionAlreadyExists", 409, "A version with this ID already exists for this project"),
    ("VersionDoesNotExist", 404, "A version with this ID does not exist for this project"),
    (
        "FunctionAlreadyExists",
        409,
        "A function with this name already exists for this project version",
    ),
    (
        "FunctionDoesNotExist",
        404,
        "A function with this name does not exist for this project version",
    ),
    ("InvocationAlreadyExists", 409, "An invocation with this ID already exists for this function"),
    ("InvocationDoesNotExist", 404, "An invocation with this ID does not exist for this function"),
    ("InvocationIsAlreadyTerminated", 409, "This invocation has already terminated"),
    ("ExecutionAlreadyExists", 409, "An execution with this ID already exists for this invocation"),
    ("ExecutionDoesNotExist", 404, "An execution with this ID does not exist for this invocation"),
    ("ExecutionHasAlreadyStarted", 409, "This execution has already started"),
    ("ExecutionHasNotStarted", 409, "This execution has not yet started"),
    ("ExecutionHasAlreadyFinished", 409, "This execution has already finished"),
    ("ExecutionHasNotFinished", 409, "This execution has not yet finished"),
    ("ExecutionIsAlreadyTerminated", 409, "This execution has already terminated"),
]


@pytest.mark.parametrize(("name", "status", "detail"), CONTRACT)
def test_each_error_of_the_contract(
    api: FakeApi, f: Caller, name: str, status: int, detail: str
) -> None:
    expected = getattr(errors, name)
    api.interventions.append(lambda request: error(status, detail))
    with pytest.raises(expected) as raised:
        f.start()
    assert type(raised.value) is expected
    if status == 403:  # that one says where the key is from
        assert "the environment variable MULTINODE_API_KEY decides it" in str(raised.value)
    elif status != 404:  # those name what does not exist
        assert str(raised.value) == detail
    assert str(error_types.resolve_error(status, detail)) == detail
    assert (raised.value.status, raised.value.detail) == (status, detail)
    # Another text with the same status is another error.
    assert type(error_types.resolve_error(status, detail + "!")) is ApiException
    assert type(error_types.resolve_error(418, detail)) is ApiException


def test_the_table_is_complete() -> None:
    named = {name for name, _, _ in CONTRACT}
    rest = {"MultinodeApiException", "ApiException", "ApiUnreachable", "resolve_error"}
    assert named | rest == set(error_types.__all__)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"detail": "Not authenticated"}', "Not authenticated"),
        (
            b'{"detail": [{"loc": ["body", "input"], "msg": "too long", "type": "x"}]}',
            "body.input: too long",
        ),
        (b'{"detail": ["odd"]}', "odd"),
        (b"<html>", "no reason given"),
        (b"[]", "no reason given"),
        (b"{}", "no reason given"),
    ],
)
def test_other_answers(api: FakeApi, f: Caller, body: bytes, expected: str) -> None:
    import httpx

    api.interventions.append(lambda request: httpx.Response(422, content=body))
    with pytest.raises(ApiException) as raised:
        f.start()
    assert (raised.value.status, raised.value.detail) == (422, expected)


def test_something_else_than_an_api(api: FakeApi, f: Caller) -> None:
    import httpx

    api.interventions.append(lambda request: httpx.Response(200, content=b"<html>hello"))
    with pytest.raises(ApiException, match="not JSON; is the URL"):
        f.start()


def test_a_wrong_key(api: FakeApi, monkeypatch: pytest.MonkeyPatch, f: Caller) -> None:
    import httpx

    from multinode import _connection
    from multinode._config import Config

    monkeypatch.setenv("MULTINODE_API_KEY", "wrong")
    _connection.connect(Config("http://multinode.test", "wrong"), httpx.MockTransport(api.handle))
    with pytest.raises(errors.ApiKeyIsInvalid):
        f.list()


@pytest.mark.parametrize("name", errors.__all__)
def test_errors_have_a_base_and_travel(name: str) -> None:
    cls = getattr(errors, name)
    assert issubclass(cls, (MultinodeError, MultinodeApiException))
    instance = cls(503, "full") if cls is ApiException else cls("text")
    for same in (pickle.loads(pickle.dumps(instance)), copy.copy(instance)):
        assert (type(same), str(same)) == (cls, str(instance))


@pytest.mark.parametrize(
    "cls",
    [
        errors.InvocationFailedError,
        errors.InvocationCancelledError,
        errors.InvocationTimedOutError,
    ],
)
def test_invocation_errors_can_be_made_of_anything(cls: Any) -> None:
    for args in ((), ("text",), ("text", 2)):
        error = cls(*args)
        assert error.args == args
        values = (error.invocation_id, error.function_name, error.project_name, error.error)
        assert values == (None,) * 4
