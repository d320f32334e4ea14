"""How an application gets at deployed functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional, Tuple

from multinode._function import Function
from multinode._later import Later
from multinode._specs import FunctionSpec

if TYPE_CHECKING:
    from multinode import _calls as calls
    from multinode import _connection as connections
else:
    calls = Later("multinode._calls")
    connections = Later("multinode._connection")


def get_deployed_function(
    project_name: str, function_name: str, version_id: Optional[str] = None
) -> Function[..., Any]:
    """Get a deployed function, to start invocations of it from anywhere.

    Args:
        project_name: the project that it was deployed in.
        function_name: its name there.
        version_id: the version to use; by default the latest as of now. A later upgrade does not
            change the version that the returned function starts invocations of. Without it, the
            function finds the invocations of all versions by their IDs; with it, only its own.

    Raises:
        ProjectDoesNotExist: there is no such project.
        VersionDoesNotExist: the project has no such version.
        FunctionDoesNotExist: the version has no such function.
        ConfigurationError: there is no valid login, and nothing in the environment.
        MultinodeApiException: anything else that the API answered, or that it is out of reach.
    """
    steps = calls.find(project_name, function_name, version_id)
    return _function(connections.run(steps), any_version=version_id is None)


async def get_deployed_function_async(
    project_name: str, function_name: str, version_id: Optional[str] = None
) -> Function[..., Any]:
    """Do the same as :func:`get_deployed_function`, on asyncio."""
    steps = calls.find(project_name, function_name, version_id)
    return _function(await connections.run_async(steps), any_version=version_id is None)


def _function(found: Tuple[calls.Target, FunctionSpec], any_version: bool) -> Function[..., Any]:
    target, spec = found
    return Function(
        spec,
        project_name=target.project_name,
        version_id=target.version_id,
        any_version=any_version,
    )
