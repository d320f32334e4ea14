"""What is known of an invocation."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, List, Mapping, Optional


class InvocationStatus(str, Enum):
    """The state of an invocation. The last four never change again."""

    PENDING = "PENDING"
    """It waits: for its turn, for capacity, or to be tried again."""
    RUNNING = "RUNNING"
    """A worker runs the function."""
    CANCELLING = "CANCELLING"
    """It was cancelled, and the function has not ended yet."""
    SUCCEEDED = "SUCCEEDED"
    """The function returned."""
    FAILED = "FAILED"
    """The last permitted try failed."""
    CANCELLED = "CANCELLED"
    """It was cancelled before the function returned."""
    TIMED_OUT = "TIMED OUT"
    """The function ran longer than its timeout."""

    def __str__(self) -> str:
        return self.value

    def __repr__(self) -> str:
        return repr(self.value)

    @property
    def finished(self) -> bool:
        """Whether the status never changes again."""
        return self in _FINISHED


_FINISHED = frozenset(
    {
        InvocationStatus.SUCCEEDED,
        InvocationStatus.FAILED,
        InvocationStatus.CANCELLED,
        InvocationStatus.TIMED_OUT,
    }
)


@dataclass
class Invocation:
    """An invocation as it was when it was asked for.

    Attributes:
        status: its state.
        result: what the function returned, or for a generator function its latest yield so far;
            None as long as there is neither.
        error: why it failed, such as ``"ValueError: no good"``; None if it did not.
        terminated: whether everything about it has ended.
        num_failed_attempts: how many executions of it failed.
        waiting_reason: why a PENDING one is not running, in words such as ``"behind 3 others in
            line for one of 2 slots"``; None for any other.
    """

    status: InvocationStatus
    result: Optional[Any]
    error: Optional[str]
    terminated: bool
    num_failed_attempts: int
    waiting_reason: Optional[str] = None

    @staticmethod
    def from_wire(info: Mapping[str, Any]) -> Invocation:
        """Read it from the REST API's InvocationInfo.

        Raises:
            SerializationError: the result cannot be decoded here.
        """
        # Imported late: jsonpickle is slow to import, and `import multinode` is to be fast.
        from multinode._serialization import decode

        output = info["output"]
        return Invocation(
            status=status_from_wire(info),
            result=None if output is None else decode(output),
            error=info["error_message"],
            terminated=info["invocation_status"] == "TERMINATED",
            num_failed_attempts=info["num_failed_attempts"],
            waiting_reason=info.get("waiting_reason"),
        )

    def readable_status(self) -> str:
        """Return the status and what there is to say about it, in parentheses."""
        clauses: List[str] = [self.status.value]
        if self.status.finished and not self.terminated:
            clauses.append(" - terminating")
        if self.num_failed_attempts:
            kind = "failed" if self.status.finished else "previous failed"
            plural = "s" if self.num_failed_attempts != 1 else ""
            clauses.append(f", {self.num_failed_attempts} {kind} attempt{plural}")
        return "(" + "".join(clauses) + ")"


def status_from_wire(info: Mapping[str, Any]) -> InvocationStatus:
    """Read the status alone from the REST API's InvocationInfo."""
    return InvocationStatus(info["status"].replace("_", " "))


__all__ = ["Invocation", "InvocationStatus"]
