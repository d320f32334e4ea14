"""Run Python functions as asynchronous tasks on compute that is provisioned per invocation.

A project declares functions::

    from multinode import Multinode

    mn = Multinode()

    @mn.function(cpu=4.0, memory="16 GiB")
    def render(scene): ...

An application starts invocations of them::

    from multinode import get_deployed_function

    render = get_deployed_function(project_name="studio", function_name="render")
    invocation_id = render.start("intro")
    print(render.get(invocation_id).status)

The errors are in :mod:`multinode.errors`.
"""

from typing import TYPE_CHECKING, Any

from multinode._deployed import get_deployed_function, get_deployed_function_async
from multinode._function import Function
from multinode._multinode import Multinode

if TYPE_CHECKING:
    from multinode._calls import InvocationIdsList
    from multinode.core.children import Child, Children
    from multinode.core.invocation import Invocation, InvocationStatus

__version__ = "2.0.0"

__all__ = [
    "Child",
    "Children",
    "Function",
    "Invocation",
    "InvocationIdsList",
    "InvocationStatus",
    "Multinode",
    "get_deployed_function",
    "get_deployed_function_async",
]


def __getattr__(name: str) -> Any:
    # What only those need who talk to the API; see _later.py.
    from importlib import import_module

    if name in ("Invocation", "InvocationStatus"):
        return getattr(import_module("multinode.core.invocation"), name)
    if name in ("Child", "Children"):
        return getattr(import_module("multinode.core.children"), name)
    if name == "InvocationIdsList":
        return import_module("multinode._calls").InvocationIdsList
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
