"""Types for the serialization tests: they must be importable."""

from __future__ import annotations

import enum
import threading
from dataclasses import dataclass
from typing import Any, Callable, Dict, NamedTuple, Tuple

from jsonpickle import handlers


class Colour(enum.Enum):
    RED = 1
    BLUE = "b"


@dataclass
class Point:
    x: Any
    y: Any


@dataclass(frozen=True)
class Frozen:
    x: Any


class Pair(NamedTuple):
    a: Any
    b: Any


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self, a: Any) -> None:
        self.a = a

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Slotted) and self.a == other.a


class KeepsLockOut:
    def __init__(self, value: int) -> None:
        self.value = value
        self.lock = threading.Lock()

    def __getstate__(self) -> Dict[str, Any]:
        return {"value": self.value}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeepsLockOut) and self.value == other.value


class HoldsLambda:
    def __init__(self) -> None:
        self.function: Callable[[], int] = lambda: 1


class ReducesToMethod:
    @classmethod
    def make(cls) -> ReducesToMethod:
        return cls()

    def __reduce__(self) -> Tuple[Any, ...]:
        return ReducesToMethod.make, ()


class Handled:
    """Cannot be pickled, but has a jsonpickle handler of its own."""

    def __init__(self, value: int) -> None:
        self.value = value
        self.lock = threading.Lock()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Handled) and self.value == other.value


class HandledHandler(handlers.BaseHandler):  # type: ignore[misc]
    def flatten(self, obj: Handled, data: Dict[str, Any]) -> Dict[str, Any]:
        return {**data, "value": obj.value}

    def restore(self, data: Dict[str, Any]) -> Handled:
        return Handled(data["value"])


handlers.register(Handled, HandledHandler)


def module_function() -> None: ...
