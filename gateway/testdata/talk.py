"""Talks to a gateway with the published client alone; any surprise ends it with an error."""

import os
import sys

from multinode import get_deployed_function
from multinode.api_client import (
    ExecutionFinalResultPayload,
    ExecutionOutcome,
    ExecutionTemporaryResultPayload,
)
from multinode.api_client.error_types import (
    ApiKeyIsInvalid,
    ExecutionDoesNotExist,
    ExecutionHasAlreadyFinished,
    ExecutionHasAlreadyStarted,
    ExecutionHasNotStarted,
    ExecutionIsAlreadyTerminated,
    FunctionDoesNotExist,
    InvocationDoesNotExist,
    InvocationIsAlreadyTerminated,
    OffsetIsInvalid,
    ParentFunctionNameIsMissing,
    ParentInvocationDoesNotExist,
    ParentInvocationIdIsMissing,
    ProjectAlreadyExists,
    ProjectDoesNotExist,
    ProjectIsBeingDeleted,
    ProjectNameIsTooLong,
    VersionDoesNotExist,
)
from multinode.api_client import InvocationDefinition, ParentInvocationDefinition, VersionDefinition
from multinode.api_client import InvocationStatus as Phase
from multinode.config import Config, load_config_from_env
from multinode.utils.api import get_authenticated_client


def raises(error, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except error:
        return
    raise AssertionError(f"{call} did not raise {error}")


def applications():
    api = get_authenticated_client(load_config_from_env())
    assert api.health_check().status == "healthy"
    raises(
        ApiKeyIsInvalid,
        get_authenticated_client(
            Config(api_url=os.environ["MULTINODE_API_URL"], api_key="x")
        ).list_projects,
    )
    raises(ProjectAlreadyExists, api.create_project, "p/ü")
    raises(ProjectNameIsTooLong, api.create_project, "x" * 65)
    raises(ProjectDoesNotExist, api.get_project, "none")
    raises(VersionDoesNotExist, api.get_project_version, "p/ü", "ver-1")
    assert [p.project_name for p in api.list_projects().projects] == ["p/ü"]
    assert len(api.list_project_versions("p/ü").versions) == 1

    f = get_deployed_function("p/ü", "f")
    started = [f.start(n, text="ünïcode") for n in range(3)]
    assert f.list().invocation_ids == started[::-1]
    page = api.list_invocations("p/ü", "latest", "f", max_results=2, status=Phase.RUNNING)
    rest = api.list_invocations(
        "p/ü", "latest", "f", initial_offset=page.next_offset, status=Phase.RUNNING
    )
    assert [i.invocation_id for i in page.invocations + rest.invocations] == started[::-1]
    raises(OffsetIsInvalid, f.list, "x")
    assert f.get(started[0]).status == "PENDING"
    f.cancel(started[0])
    assert f.get(started[0]).status == "CANCELLED" and f.get(started[0]).terminated
    raises(InvocationIsAlreadyTerminated, f.cancel, started[0])
    raises(InvocationDoesNotExist, f.get, "inv-1")
    raises(
        ParentFunctionNameIsMissing,
        api.list_invocations,
        "p/ü",
        "latest",
        "f",
        parent_invocation_id=started[1],
    )
    raises(
        ParentInvocationIdIsMissing,
        api.list_invocations,
        "p/ü",
        "latest",
        "f",
        parent_function_name="f",
    )
    raises(FunctionDoesNotExist, api.list_invocations, "p/ü", "latest", "none")
    raises(ExecutionDoesNotExist, api.get_execution, "p/ü", "latest", "f", started[1], "exe-0")
    parent = ParentInvocationDefinition(function_name="f", invocation_id=started[1])
    api.create_invocation(
        "p/ü", "latest", "f", InvocationDefinition(parent_invocation=parent, input="[[], {}]")
    )
    children = api.list_invocations(
        "p/ü", "latest", "f", parent_function_name="f", parent_invocation_id=started[1]
    )
    assert [i.parent_invocation.invocation_id for i in children.invocations] == [started[1]]
    parent = ParentInvocationDefinition(function_name="f", invocation_id="inv-1")
    raises(
        ParentInvocationDoesNotExist,
        api.create_invocation,
        "p/ü",
        "latest",
        "f",
        InvocationDefinition(parent_invocation=parent, input="1"),
    )


def worker(invocation, execution):
    api = get_authenticated_client(load_config_from_env())
    path = ("p/ü", "latest", "f", invocation, execution)
    assert api.get_execution(*path).input == "[[1], {}]"
    result = ExecutionFinalResultPayload(outcome=ExecutionOutcome.SUCCEEDED)
    raises(ExecutionHasNotStarted, api.finish_execution, *path, result)
    api.start_execution(*path)
    raises(ExecutionHasAlreadyStarted, api.start_execution, *path)
    api.update_execution(*path, ExecutionTemporaryResultPayload(latest_output='"last"'))
    assert api.finish_execution(*path, result).output == '"last"'
    raises(ExecutionHasAlreadyFinished, api.finish_execution, *path, result)
    assert api.get_execution_logs(*path).log_lines == []


def last(invocation, execution):
    """What is refused at the end of things."""
    api = get_authenticated_client(load_config_from_env())
    raises(
        ExecutionIsAlreadyTerminated,
        api.start_execution,
        "p/ü",
        "latest",
        "f",
        invocation,
        execution,
    )
    assert api.delete_project("p/ü").deletion_request_time is not None
    raises(
        ProjectIsBeingDeleted,
        api.create_project_version,
        "p/ü",
        VersionDefinition(default_docker_image="i", functions=[]),
    )


{"applications": applications, "worker": worker, "last": last}[sys.argv[1]](*sys.argv[2:])
