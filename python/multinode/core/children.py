"""What is known of the invocations that one has started."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple

from multinode.core.invocation import InvocationStatus, status_from_wire

# How many of the newest are asked for.
MAX_CHILDREN = 50


class Child(NamedTuple):
    """An invocation that another one has started.

    Attributes:
        function_name: its function.
        invocation_id: its ID.
        status: its state.
    """

    function_name: str
    invocation_id: str
    status: InvocationStatus


class Children(NamedTuple):
    """The invocations that one has started itself, as they were when it was asked for them.

    Attributes:
        counts: how many there are of each status that any has.
        complete: whether all are counted; if not, there are more than 10,000, and the newest
            10,000 are.
        newest: at most 50 of them, newest first.
    """

    counts: Dict[InvocationStatus, int]
    complete: bool
    newest: List[Child]

    @staticmethod
    def from_wire(info: Mapping[str, Any]) -> Children:
        """Read it from the REST API's Children."""
        return Children(
            counts={status_from_wire({"status": s}): n for s, n in info["counts"].items()},
            complete=info["complete"],
            newest=[
                Child(each["function_name"], each["invocation_id"], status_from_wire(each))
                for each in info["newest"]
            ],
        )


__all__ = ["Child", "Children"]
