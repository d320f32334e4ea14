"""Requests are repeated when that is safe and promising."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import sys
from typing import Any, Callable, List, Optional

import httpx
import pytest

from multinode import InvocationStatus, _requests, get_deployed_function
from multinode._config import config_file
from multinode._requests import send
from multinode._steps import Failure, Request, Response, Sleep
from multinode.errors import ApiException, ApiUnreachable, InvocationIsAlreadyTerminated

from .conftest import Caller
from .fake_api import FakeApi, error


def fail_first(times: int, answer: Callable[[], httpx.Response]) -> Any:
    """Make an intervention that fails the first requests."""
    left = [times]

    def intervene(request: httpx.Request) -> Optional[httpx.Response]:
        if left[0] == 0:
            return None
        left[0] -= 1
        return answer()

    return intervene


def refuse_connection() -> httpx.Response:
    raise httpx.ConnectError("refused")


def lose_answer(api: FakeApi) -> Any:
    """Make an intervention that lets the first request through but loses its answer."""
    lost: List[httpx.Request] = []

    def intervene(request: httpx.Request) -> Optional[httpx.Response]:
        if lost:
            return None
        lost.append(request)
        api._route(request)
        raise httpx.ReadError("connection reset")

    return intervene


@pytest.mark.parametrize(
    "answer",
    [
        refuse_connection,
        lambda: error(503, "full"),
        lambda: error(429, "a queue is full", **{"retry-after": "0"}),
        lambda: error(502, "bad gateway"),
        lambda: error(504, "gateway timeout"),
    ],
)
def test_passing_troubles_are_outlasted(api: FakeApi, f: Caller, answer: Any) -> None:
    api.interventions.append(fail_first(4, answer))
    assert f.call_remote(1) == [[1], {}]


def test_a_start_whose_answer_was_lost_happens_once(api: FakeApi, f: Caller) -> None:
    api.interventions.append(lose_answer(api))
    assert f.start(1) == "inv-0"
    assert len(api.paths("POST")) == 2
    assert len(api.invocations) == 1
    f.start(1)
    assert len(api.invocations) == 2


def test_a_cancel_whose_answer_was_lost_succeeds(api: FakeApi, f: Caller) -> None:
    api.outcome = lambda text: {}
    invocation_id = f.start()
    api.interventions.append(lose_answer(api))
    f.cancel(invocation_id)
    assert f.get(invocation_id).status is InvocationStatus.CANCELLED
    with pytest.raises(InvocationIsAlreadyTerminated):
        f.cancel(invocation_id)


def test_an_unreachable_api_is_given_up_with_advice(api: FakeApi, f: Caller) -> None:
    api.interventions.append(fail_first(10**6, refuse_connection))
    before = len(api.requests)
    with pytest.raises(ApiUnreachable, match=r"http://multinode.test .*refused") as raised:
        f.start()
    assert len(api.requests) - before == _requests.TRIES
    assert "the environment variable MULTINODE_API_URL decides" in str(raised.value)
    assert "multinode login" not in str(raised.value)


def test_an_unreachable_api_of_a_login(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    api.interventions.append(fail_first(10**6, refuse_connection))
    config_file().parent.mkdir()
    config_file().write_text('{"api_url": "http://multinode.test", "api_key": "secret"}')
    monkeypatch.delenv("MULTINODE_API_URL")
    with pytest.raises(ApiUnreachable, match=r"refused.*`multinode login` changes it") as raised:
        get_deployed_function("shop", "f")
    assert "MULTINODE_API_URL" not in str(raised.value)


def test_waiting_for_a_result_is_more_patient(api: FakeApi, f: Caller) -> None:
    invocation_id = f.start()
    api.interventions.append(fail_first(_requests.PATIENT_TRIES - 1, refuse_connection))
    assert f.await_result(invocation_id) == [[], {}]


def test_answers_that_are_final_are_not_repeated(api: FakeApi, f: Caller) -> None:
    api.interventions.append(fail_first(10**6, lambda: error(500, "broken")))
    before = len(api.requests)
    with pytest.raises(ApiException, match="status 500: broken"):
        f.start()
    assert len(api.requests) - before == 1


def exchange(replies: List[Any], **kwargs: Any) -> List[float]:
    """Drive one request by these replies, and return the pauses it makes."""
    steps = send(Request("GET", "/"), **kwargs)
    pauses: List[float] = []
    step = next(steps)
    for reply in replies:
        assert isinstance(step, Request)
        try:
            step = steps.send(reply)
        except StopIteration:
            break
        if isinstance(step, Sleep):
            pauses.append(step.seconds)
            step = steps.send(None)
    steps.close()
    return pauses


def test_pauses_grow_up_to_a_limit_and_are_jittered() -> None:
    replies = [Failure("refused", "http://x")] * 20
    pauses = exchange(replies, tries=30)
    bounds = [min(0.1 * 2**n, 10.0) for n in range(20)]
    assert all(bound / 2 <= pause <= bound for pause, bound in zip(pauses, bounds))
    assert pauses != exchange(replies, tries=30)


def test_retry_after_is_honoured_within_reason() -> None:
    def busy(seconds: str) -> Response:
        return Response(503, b'{"detail": "full"}', {"retry-after": seconds})

    replies = [busy("7"), busy("7"), Response(200, b"{}", {})]
    pauses = exchange(replies)
    # Not all at once who were told the same.
    assert all(7.0 < pause <= 7.2 for pause in pauses)
    assert pauses != exchange(replies)
    with pytest.raises(ApiException, match="full"):
        exchange([busy("31")])
    waiting = exchange([busy("31"), Response(200, b"{}", {})], tries=_requests.PATIENT_TRIES)
    assert 30.0 < waiting[0] <= 30.2
    assert exchange([busy("soon"), Response(200, b"{}", {})])[0] < 0.2


def test_each_event_loop_has_its_own_client_and_closes_it(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: List[httpx.AsyncClient] = []
    aclose = httpx.AsyncClient.aclose

    async def record(self: httpx.AsyncClient) -> None:
        closed.append(self)
        await aclose(self)

    monkeypatch.setattr(httpx.AsyncClient, "aclose", record)
    function = get_deployed_function("shop", "f")
    for _ in range(3):
        asyncio.run(function.start_async())
    gc.collect()
    assert len(set(closed)) == 3


def _start_in_child(function: Any) -> None:
    function.start()


@pytest.mark.skipif(sys.platform != "linux", reason="starts processes by fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_makes_its_own_client(api: FakeApi) -> None:
    function = get_deployed_function("shop", "f")
    process = multiprocessing.get_context("fork").Process(target=_start_in_child, args=(function,))
    process.start()
    process.join(30)
    assert process.exitcode == 0
    assert api.bodies == []
