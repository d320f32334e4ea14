"""What an application does with a deployed function, blocking and on asyncio."""

from __future__ import annotations

import asyncio
import inspect
import json
import pickle
from typing import Any, Callable, List

import pytest

from multinode import (
    Function,
    InvocationStatus,
    Multinode,
    get_deployed_function,
    get_deployed_function_async,
)
from multinode.errors import (
    FunctionDoesNotExist,
    FunctionInputSizeLimitExceeded,
    InvalidUseError,
    InvocationCancelledError,
    InvocationDoesNotExist,
    InvocationFailedError,
    InvocationIsAlreadyTerminated,
    InvocationTimedOutError,
    OffsetIsInvalid,
    ProjectDoesNotExist,
    SerializationError,
    VersionDoesNotExist,
)

from .conftest import Caller
from .fake_api import FakeApi, ended, first_argument, succeeded


def test_every_method_has_a_twin_of_the_same_signature() -> None:
    names = {name for name in vars(Function) if not name.startswith("_")}
    plain = {name for name in names if not name.endswith("_async")}
    assert names - plain == {name + "_async" for name in plain}
    for name in plain:
        signatures = [inspect.signature(getattr(Function, n)) for n in (name, name + "_async")]
        assert signatures[0].parameters == signatures[1].parameters


def test_finding_a_function_pins_its_version(api: FakeApi) -> None:
    function = get_deployed_function(project_name="shop", function_name="f")
    assert (function.project_name, function.version_id) == ("shop", "ver-1")
    assert function.fn is None
    assert function.fn_spec.to_wire() == {
        "function_name": "f",
        "resource_spec": {"virtual_cpus": 0.5, "memory_gbs": 1.0, "max_concurrency": 7},
        "execution_spec": {"max_retries": 2, "timeout_seconds": 60},
    }
    assert repr(function) == "<multinode function f of shop, ver-1>"


def test_an_id_stays_good_across_an_upgrade(api: FakeApi, wrap: Callable[[Any], Caller]) -> None:
    before = get_deployed_function("shop", "f")
    waiting, finished = before.start(1), before.start(2)
    api.invocations[waiting].update(ended("PENDING"), invocation_status="RUNNING")
    api.invocations[finished].update(succeeded("2"))
    api.latest = "ver-2"
    after = get_deployed_function("shop", "f")
    assert after.version_id == "ver-2"
    assert wrap(after).get(finished).result == 2
    assert wrap(after).await_result(finished) == 2
    wrap(after).cancel(waiting)
    assert api.invocations[waiting]["status"] == "CANCELLED"
    with pytest.raises(InvocationCancelledError, match="version-id=ver-1"):
        wrap(after).await_result(waiting)
    with pytest.raises(InvocationDoesNotExist, match=r'"f" of project "shop" has no invocation'):
        wrap(after).get("inv-none")
    assert api.invocations[wrap(after).start()]["version_id"] == "ver-2"
    assert api.invocations[wrap(before).start()]["version_id"] == "ver-1"


def test_an_explicit_version_has_its_own_invocations_only(
    api: FakeApi, wrap: Callable[[Any], Caller]
) -> None:
    invocation_id = get_deployed_function("shop", "f").start(1)
    api.latest = "ver-2"
    pinned = wrap(get_deployed_function("shop", "f", "ver-2"))
    for method in (pinned.get, pinned.await_result, pinned.cancel):
        with pytest.raises(InvocationDoesNotExist, match="belongs to the version"):
            method(invocation_id)
    own = wrap(get_deployed_function("shop", "f", "ver-1"))
    assert own.get(invocation_id).status is InvocationStatus.SUCCEEDED


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("nowhere", "f"), ProjectDoesNotExist),
        (("shop", "f", "ver-9"), VersionDoesNotExist),
        (("shop", "h"), FunctionDoesNotExist),
        (("", "f"), InvalidUseError),
        (("shop", None), InvalidUseError),
        (("shop", "f", ""), InvalidUseError),
    ],
)
def test_finding_what_does_not_exist(api: FakeApi, names: Any, expected: Any) -> None:
    with pytest.raises(expected):
        get_deployed_function(*names)
    with pytest.raises(expected):
        asyncio.run(get_deployed_function_async(*names))


def test_a_missing_function_error_says_which_there_are(api: FakeApi) -> None:
    with pytest.raises(FunctionDoesNotExist, match="It has: f, g"):
        get_deployed_function("shop", "h")


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (("nowhere", "f"), 'no project "nowhere"'),
        (("shop", "f", "ver-9"), 'Version "ver-9" of project "shop" does not exist'),
    ],
)
def test_an_error_names_what_does_not_exist(api: FakeApi, names: Any, text: str) -> None:
    with pytest.raises((ProjectDoesNotExist, VersionDoesNotExist), match=text) as raised:
        get_deployed_function(*names)
    assert raised.value.status == 404
    assert raised.value.detail == type(raised.value).detail


def test_a_project_without_a_ready_version(api: FakeApi) -> None:
    from .fake_api import error

    detail = VersionDoesNotExist.detail
    api.interventions.append(lambda request: error(404, detail))
    with pytest.raises(VersionDoesNotExist, match=r"ready.*--project-name='my shop'` shows why"):
        get_deployed_function("my shop", "f")


def test_start_sends_plain_json_and_no_parent(api: FakeApi, f: Caller) -> None:
    assert f.start(1, "two", x=3) == "inv-0"
    assert json.loads(api.bodies[0]["input"]) == [[1, "two"], {"x": 3}]
    assert api.bodies[0]["parent_invocation"] is None


def test_names_of_any_kind_travel_in_paths(api: FakeApi) -> None:
    for name in ("a/b", "ü?#%", "..", "."):
        with pytest.raises(ProjectDoesNotExist):
            get_deployed_function(name, "f")
    assert [p.split("/")[2] for p in api.paths("GET")] == [
        "a%2Fb",
        "%C3%BC%3F%23%25",
        "%2E%2E",
        "%2E",
    ]


@pytest.mark.parametrize(
    ("outcome", "status", "result", "error", "failures"),
    [
        (succeeded("[1]"), InvocationStatus.SUCCEEDED, [1], None, 0),
        ({}, InvocationStatus.PENDING, None, None, 0),
        ({"status": "RUNNING", "output": "5"}, InvocationStatus.RUNNING, 5, None, 0),
        ({"status": "CANCELLING"}, InvocationStatus.CANCELLING, None, None, 0),
        (ended("CANCELLED"), InvocationStatus.CANCELLED, None, None, 0),
        (ended("TIMED_OUT"), InvocationStatus.TIMED_OUT, None, None, 0),
        (ended("FAILED", "ValueError: no", 3), InvocationStatus.FAILED, None, "ValueError: no", 3),
    ],
)
def test_get(
    api: FakeApi, f: Caller, outcome: Any, status: Any, result: Any, error: Any, failures: int
) -> None:
    api.outcome = lambda text: outcome
    invocation = f.get(f.start())
    assert invocation.status is status
    assert invocation.result == result
    assert invocation.error == error
    assert invocation.num_failed_attempts == failures
    assert invocation.terminated == status.finished


def test_await_result_waits_through_changes(api: FakeApi, f: Caller) -> None:
    api.outcome = lambda text: {}
    invocation_id = f.start()
    info = api.invocations[invocation_id]
    queries: List[str] = []

    def progress(request: Any) -> None:
        queries.append(request.url.query.decode())
        if len(queries) == 30:
            info.update(succeeded('"done"'))
        elif len(queries) > 1:
            info.update(status="RUNNING", output=str(len(queries)))

    api.interventions.append(progress)
    assert f.await_result(invocation_id) == "done"
    assert set(queries) == {"wait=30"}


@pytest.mark.parametrize(
    ("outcome", "expected", "text"),
    [
        (ended("FAILED", "ValueError: no"), InvocationFailedError, "ValueError: no"),
        (ended("FAILED"), InvocationFailedError, "The invocation failed"),
        (ended("CANCELLED"), InvocationCancelledError, "The invocation was cancelled"),
        (
            ended("CANCELLED", "InvocationCancelledError: the invocation was cancelled"),
            InvocationCancelledError,
            "The invocation was cancelled",
        ),
        (
            ended("CANCELLED", "ValueError: no"),
            InvocationCancelledError,
            "The invocation was cancelled: ValueError: no",
        ),
        (ended("TIMED_OUT"), InvocationTimedOutError, "The invocation timed out"),
    ],
)
def test_call_remote_raises_what_became_of_it(
    api: FakeApi, f: Caller, outcome: Any, expected: Any, text: str
) -> None:
    api.outcome = lambda _: outcome
    calls: List[Callable[[], Any]] = [
        f.call_remote,
        lambda: f.await_result(f.start()),
        lambda: list(f.map([1])),
    ]
    for number, call in enumerate(calls):
        with pytest.raises(expected) as raised:
            call()
        invocation_id = f"inv-{number}"
        assert str(raised.value) == (
            f"{text} (invocation {invocation_id} of shop/f; its output: `multinode logs "
            f"--project-name=shop --version-id=ver-1 --function-name=f "
            f"--invocation-id={invocation_id}`)"
        )
        same = pickle.loads(pickle.dumps(raised.value))
        for error in (raised.value, same):
            assert type(error) is expected
            assert str(error) == str(raised.value)
            assert error.invocation_id == invocation_id
            assert (error.project_name, error.function_name) == ("shop", "f")
            assert error.error == outcome["error_message"]


def test_call_remote(api: FakeApi, f: Caller) -> None:
    api.outcome = lambda text: succeeded(first_argument(text))
    assert f.call_remote({"a": [1, None]}) == {"a": [1, None]}


def test_map_keeps_the_order_of_the_input(api: FakeApi, f: Caller) -> None:
    api.outcome = lambda text: succeeded(first_argument(text))
    items = list(range(100))
    assert list(f.map(iter(items))) == items
    assert len(api.bodies) == 100


def test_starmap_spreads_arguments(api: FakeApi, f: Caller) -> None:
    assert list(f.starmap([(1, 2), [3], ()])) == [[[1, 2], {}], [[3], {}], [[], {}]]


def test_map_of_nothing_asks_nothing(api: FakeApi, f: Caller) -> None:
    before = len(api.requests)
    assert list(f.map([])) == []
    assert list(f.starmap(iter(()))) == []
    assert len(api.requests) == before


def test_map_starts_all_at_once_and_waits_one_by_one(api: FakeApi) -> None:
    function = get_deployed_function("shop", "f")
    results = function.map([1, 2, 3])
    assert len(api.bodies) == 3
    assert not [r for r in api.requests if b"wait" in r.url.query]
    next(results)
    assert len([r for r in api.requests if b"wait" in r.url.query]) == 1


def test_map_goes_on_behind_a_result_that_raises(api: FakeApi) -> None:
    function = get_deployed_function("shop", "f")
    api.outcome = lambda text: ended("FAILED", "no") if "2" in text else succeeded("true")
    results = function.map([1, 2, 3])
    assert next(results) is True
    with pytest.raises(InvocationFailedError):
        next(results)
    assert list(results) == [True]


async def test_map_async_goes_on_behind_a_result_that_raises(api: FakeApi) -> None:
    function = await get_deployed_function_async("shop", "f")
    api.outcome = lambda text: ended("FAILED", "no") if "2" in text else succeeded("true")
    results = function.map_async([1, 2, 3])
    assert await results.__anext__() is True
    with pytest.raises(InvocationFailedError):
        await results.__anext__()
    assert [result async for result in results] == [True]


def test_map_starts_nothing_if_an_item_cannot_be_sent(api: FakeApi, f: Caller) -> None:
    with pytest.raises(SerializationError):
        list(f.map([1, lambda: None]))
    assert api.bodies == []


def test_map_cancels_the_others_if_one_cannot_start(api: FakeApi, f: Caller) -> None:
    api.outcome = lambda text: {}

    def refuse(request: Any) -> Any:
        from .fake_api import error

        if request.method == "POST" and b"[[2]" in request.content:
            return error(400, "The project is being deleted")
        return None

    api.interventions.append(refuse)
    with pytest.raises(Exception, match="The project is being deleted"):
        list(f.map([1, 2, 3]))
    assert {info["status"] for info in api.invocations.values()} == {"CANCELLED"}
    assert len(api.invocations) == 2


def test_why_it_waits(api: FakeApi, f: Caller) -> None:
    api.outcome = lambda text: {"waiting_reason": "next in line for one of 2 slots"}
    assert f.get(f.start()).waiting_reason == "next in line for one of 2 slots"
    api.outcome = succeeded
    assert f.get(f.start()).waiting_reason is None


def test_children(api: FakeApi, f: Caller) -> None:
    api.outcome = lambda text: {
        "children": {
            "counts": {"SUCCEEDED": 60, "TIMED_OUT": 1},
            "complete": True,
            "newest": [
                {"function_name": "g", "invocation_id": "inv-7", "status": "TIMED_OUT", "more": 1}
            ],
        }
    }
    children = f.children(f.start())
    assert api.requests[-1].url.query == b"children=50"
    assert children.counts == {InvocationStatus.SUCCEEDED: 60, InvocationStatus.TIMED_OUT: 1}
    assert children.newest == [("g", "inv-7", InvocationStatus.TIMED_OUT)]
    assert children.complete
    with pytest.raises(InvocationDoesNotExist):
        f.children("inv-none")


def test_cancel(api: FakeApi, f: Caller) -> None:
    api.outcome = lambda text: {}
    invocation_id = f.start()
    assert f.cancel(invocation_id) is None
    assert f.get(invocation_id).status is InvocationStatus.CANCELLED
    with pytest.raises(InvocationIsAlreadyTerminated, match=f"{invocation_id}.* has ended"):
        f.cancel(invocation_id)


def test_list_pages_newest_first(api: FakeApi, f: Caller) -> None:
    for _ in range(51):
        f.start()
    first = f.list()
    assert first.invocation_ids == [f"inv-{n}" for n in range(50, 0, -1)]
    last = f.list(first.next_offset)
    assert last == (["inv-0"], None)
    with pytest.raises(OffsetIsInvalid):
        f.list(offset="nonsense")


@pytest.mark.parametrize("method", ["get", "cancel", "await_result"])
def test_an_unknown_invocation(f: Caller, method: str) -> None:
    with pytest.raises(InvocationDoesNotExist, match=r'"f".* "shop" .*"inv-9"'):
        getattr(f, method)("inv-9")
    for nonsense in ("", None, 3):
        with pytest.raises(InvalidUseError, match="invocation_id"):
            getattr(f, method)(nonsense)


def test_nothing_too_large_is_sent(api: FakeApi, f: Caller) -> None:
    f.start("x" * (250_000 - len('[[""], {}]')))
    with pytest.raises(FunctionInputSizeLimitExceeded, match="250,001 characters"):
        f.start("x" * (250_001 - len('[[""], {}]')))
    assert len(api.bodies) == 1


def test_functions_of_a_deployment_cannot_run_here(f: Caller) -> None:
    with pytest.raises(InvalidUseError, match="call_remote"):
        f.call_local(1)


def test_functions_are_not_called_directly(api: FakeApi) -> None:
    mn = Multinode()

    @mn.function()
    def decorated(x: int) -> int:
        return x

    functions: List[Any] = [decorated, get_deployed_function("shop", "f")]
    texts = []
    for function in functions:
        with pytest.raises(InvalidUseError) as raised:
            function(5)
        texts.append(str(raised.value))
    for part in ("decorated.call_local(...)", "decorated.call_remote(...)", "decorated.start(...)"):
        assert part in texts[0]
    assert "call_local" not in texts[1]
    assert "f.call_remote(...)" in texts[1]


def test_a_decorated_function_is_not_for_outside(
    clean_environment: None, wrap: Callable[[Any], Caller]
) -> None:
    mn = Multinode()

    @mn.function()
    def decorated(x: int) -> int:
        return x

    caller = wrap(decorated)
    for name, argument in (
        ("start", 1),
        ("call_remote", 1),
        ("get", "inv-1"),
        ("await_result", "inv-1"),
        ("cancel", "inv-1"),
        ("list", None),
        ("map", [1]),
        ("map", []),
    ):
        with pytest.raises(InvalidUseError, match="get_deployed_function"):
            getattr(caller, name)(argument)
    assert caller.call_local(2) == 2


def test_a_worker_starts_children(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch, wrap: Callable[[Any], Caller]
) -> None:
    mn = Multinode()

    @mn.function()
    def g(x: int) -> int:
        return x

    monkeypatch.setenv("MULTINODE_PROJECT_NAME", "shop")
    monkeypatch.setenv("MULTINODE_VERSION_ID", "ver-1")
    monkeypatch.setenv("MULTINODE_FUNCTION_NAME", "f")
    monkeypatch.setenv("MULTINODE_INVOCATION_ID", "inv-parent")
    wrap(g).start(1)
    assert api.paths("POST") == ["/projects/shop/versions/ver-1/functions/g/invocations"]
    parent = {"function_name": "f", "invocation_id": "inv-parent"}
    assert api.bodies[0]["parent_invocation"] == parent

    # An invocation in another project is nobody's child.
    monkeypatch.setenv("MULTINODE_PROJECT_NAME", "elsewhere")
    wrap(get_deployed_function("shop", "g")).start(1)
    assert api.bodies[1]["parent_invocation"] is None
