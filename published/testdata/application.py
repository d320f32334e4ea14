"""Uses a deployed project with the published package; any surprise ends it with an error."""

import os

import multinode.errors
from multinode import Multinode, get_deployed_function
from multinode.errors import (
    ApiKeyIsInvalid,
    FunctionDoesNotExist,
    FunctionInputSizeLimitExceeded,
    InvalidUseError,
    InvocationCancelledError,
    InvocationDoesNotExist,
    InvocationFailedError,
    InvocationIsAlreadyTerminated,
    InvocationTimedOutError,
    MissingEnvironmentVariableError,
    OffsetIsInvalid,
    ProjectDoesNotExist,
    VersionDoesNotExist,
)


def raises(error, call, *args):
    try:
        call(*args)
    except error as raised:
        assert type(raised) is error, raised
        return str(raised)
    raise AssertionError(f"{call} did not raise {error}")


assert issubclass(ApiKeyIsInvalid, multinode.errors.MultinodeApiException)
add, refuse, sleep, short = (
    get_deployed_function("p", name) for name in ("add", "refuse", "sleep", "short")
)
raises(ProjectDoesNotExist, get_deployed_function, "none", "add")
raises(FunctionDoesNotExist, get_deployed_function, "p", "none")
raises(VersionDoesNotExist, get_deployed_function, "p", "add", "ver-0")
assert get_deployed_function("p", "add", add.version_id).call_remote(1, y=2) == 3

# Several at a time, in order.
assert list(add.map([1, 2, 3])) == [2, 3, 4]
assert list(add.starmap([(1, 10), (2, 20)])) == [11, 22]

# An invocation from its start to its end.
invocation = add.start("ünï", y="cöde")
assert add.await_result(invocation) == "ünïcöde"
got = add.get(invocation)
assert (got.status, got.result, got.error, got.terminated, got.num_failed_attempts) == (
    "SUCCEEDED",
    "ünïcöde",
    None,
    True,
    0,
)
assert add.list().invocation_ids[0] == invocation and len(add.list().invocation_ids) == 7
raises(InvocationIsAlreadyTerminated, add.cancel, invocation)
raises(InvocationDoesNotExist, add.get, "inv-0")
raises(OffsetIsInvalid, add.list, "x")

# The other ends.
invocation = refuse.start()
assert raises(InvocationFailedError, refuse.await_result, invocation) == "ValueError: no good"
got = refuse.get(invocation)
assert (got.status, got.result, got.error, got.num_failed_attempts) == (
    "FAILED",
    None,
    "ValueError: no good",
    2,
)
invocation = short.start()
raises(InvocationTimedOutError, short.await_result, invocation)
assert short.get(invocation).status == "TIMED OUT"
invocation = sleep.start()
assert sleep.get(invocation).status in ("PENDING", "RUNNING")
sleep.cancel(invocation)
raises(InvocationCancelledError, sleep.await_result, invocation)
assert sleep.get(invocation).status == "CANCELLED"

# What it refuses by itself.
raises(FunctionInputSizeLimitExceeded, add.start, "x" * 250_001)
raises(InvalidUseError, add.call_local, 1)
raises(InvalidUseError, Multinode().function()(lambda: 1).start)
key = os.environ.pop("MULTINODE_API_KEY")
raises(MissingEnvironmentVariableError, get_deployed_function, "p", "add")
os.environ["MULTINODE_API_KEY"] = "wrong"
raises(ApiKeyIsInvalid, get_deployed_function, "p", "add")
