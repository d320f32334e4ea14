"""Asks a gateway about invocations, given as JSON, one a line; any surprise ends it with an error."""

import json
import sys

from multinode import get_deployed_function
from multinode.errors import (
    InvocationCancelledError,
    InvocationFailedError,
    InvocationTimedOutError,
)

raised = {
    "FAILED": InvocationFailedError,
    "CANCELLED": InvocationCancelledError,
    "TIMED OUT": InvocationTimedOutError,
}
seen = set()
for line in sys.stdin:
    want = json.loads(line)
    function = get_deployed_function("p", want["function"])
    got = function.get(want["invocation"])
    assert got.status == want["status"], (want, got)
    assert got.terminated == got.status.finished, (want, got)
    seen.add(want["status"])
    if not got.terminated:
        continue
    try:
        assert (
            function.await_result(want["invocation"]) == "output" and want["status"] == "SUCCEEDED"
        ), want
    except (InvocationFailedError, InvocationCancelledError, InvocationTimedOutError) as error:
        assert type(error) is raised[want["status"]], (want, error)
        assert want["status"] != "FAILED" or str(error) == "error", (want, error)
assert len(seen) == 7, seen
