"""The steps that talking to the API is made of, without doing any of them.

What the client does is written once, as generators that yield steps and are sent what came of
them. :mod:`multinode._sync` and :mod:`multinode._asyncio` each know how to do every step.
"""

from __future__ import annotations

from typing import Any, Generator, List, Mapping, NamedTuple, Optional, TypeVar, Union

T = TypeVar("T")


class Request(NamedTuple):
    """Send a request. Comes to a :class:`Response` or a :class:`Failure`."""

    method: str
    path: str
    query: Mapping[str, str] = {}
    body: Optional[Mapping[str, Any]] = None
    headers: Mapping[str, str] = {}
    # Seconds that the API may hold the answer, waiting for news; a crowd waits for less.
    wait: int = 0


class Response(NamedTuple):
    """An answer of any status."""

    status: int
    body: bytes
    headers: Mapping[str, str]  # names in lower case


class Failure(NamedTuple):
    """No answer came, and it is not known whether the request was received."""

    reason: str
    url: str


class Sleep(NamedTuple):
    """Wait for some seconds. Comes to None."""

    seconds: float


class Together(NamedTuple):
    """Do several chains of steps at the same time, a bounded number at once.

    Comes to a list of what each chain came to, in order: its value, or its exception.
    """

    chains: List[Steps[Any]]


Step = Union[Request, Sleep, Together]
Steps = Generator[Step, Any, T]

# How many chains of a Together run at the same time.
WIDTH = 16
