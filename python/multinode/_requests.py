"""Requests with their retries and errors."""

from __future__ import annotations

import json
import os
import random
from typing import Any, Iterator, Optional, Tuple, Type, Union
from urllib.parse import quote

from multinode import _environment as environment
from multinode._steps import Failure, Request, Response, Sleep, Steps
from multinode.api_client.error_types import (
    ApiException,
    ApiKeyIsInvalid,
    ApiUnreachable,
    MultinodeApiException,
    resolve_error,
)

# Tries of a request in all: about six seconds, or about ten minutes for those who wait for a
# result anyway and so should outlast a restart of the API.
TRIES = 7
PATIENT_TRIES = 70

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0
# A Retry-After beyond is the caller's business, but of those who wait anyway, who look then.
_TOO_LONG_A_PAUSE = 30.0
_WORTH_A_RETRY = frozenset({429, 502, 503, 504})


def send(
    request: Request,
    tries: int = TRIES,
    done_before: Tuple[Type[MultinodeApiException], ...] = (),
) -> Steps[Any]:
    """Send a request that may be repeated without harm, and return the answer's JSON.

    Args:
        request: the request.
        tries: how often to send it, if the API is out of reach or overloaded.
        done_before: errors that, as the answer to a later try, mean that an earlier one had its
            effect although no answer came; then None is returned.

    Raises:
        MultinodeApiException: what the API answered, or that it cannot be reached.
    """
    for attempt, pause in enumerate(_pauses(), 1):
        reply: Union[Response, Failure] = yield request
        if isinstance(reply, Response):
            if reply.status < 400:
                return _json(reply)
            error = _error(reply)
            wanted = _retry_after(reply)
            hopeless = reply.status not in _WORTH_A_RETRY
            if wanted > _TOO_LONG_A_PAUSE:
                wanted = _TOO_LONG_A_PAUSE
                hopeless = hopeless or tries < PATIENT_TRIES
        else:
            error, wanted, hopeless = _unreachable(reply), 0.0, False
        if attempt > 1 and isinstance(error, done_before):
            return None
        if hopeless or attempt == tries:
            raise error
        # Also those who were told the same time do not come back in step.
        yield Sleep(wanted + pause)


def _pauses() -> Iterator[float]:
    """Yield pauses that double, each shortened at random so that clients do not march in step."""
    pause = _FIRST_PAUSE
    while True:
        yield pause * random.uniform(0.5, 1.0)
        pause = min(2 * pause, _LONGEST_PAUSE)


def path_of(*parts: str) -> str:
    """Return the path made of these parts, which may be any text."""
    return "".join("/" + _quote(part) for part in parts)


def _quote(part: str) -> str:
    # Dots alone would be taken for steps up the path.
    return part.replace(".", "%2E") if part in (".", "..") else quote(part, safe="")


def _retry_after(response: Response) -> float:
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdecimal() else 0.0


def _json(response: Response) -> Any:
    try:
        return json.loads(response.body)
    except ValueError:
        raise ApiException(
            response.status, "the answer is not JSON; is the URL that of a Multinode API?"
        ) from None


def _error(response: Response) -> MultinodeApiException:
    try:
        detail = json.loads(response.body)["detail"]
    except (ValueError, LookupError, TypeError):
        detail = None
    if isinstance(detail, list):
        detail = "; ".join(map(_describe_problem, detail))
    error = resolve_error(response.status, str(detail or "no reason given"))
    if isinstance(error, ApiKeyIsInvalid):
        advice = _who_decides(environment.API_KEY, "`multinode login` gives another.")
        return ApiKeyIsInvalid(f"{error}, or does not allow this: {advice}")
    return error


def _describe_problem(problem: Any) -> str:
    if not isinstance(problem, dict):
        return str(problem)
    where: Optional[Any] = problem.get("loc")
    message = str(problem.get("msg", problem))
    return f"{'.'.join(map(str, where))}: {message}" if isinstance(where, list) else message


def _unreachable(failure: Failure) -> ApiUnreachable:
    source = _who_decides(environment.API_URL, "`multinode login` changes it.")
    return ApiUnreachable(
        f"The Multinode API at {failure.url} cannot be reached ({failure.reason}). Check that "
        f"it runs, and that the URL is right: {source}"
    )


def _who_decides(variable: str, otherwise: str) -> str:
    if os.environ.get(variable):
        return f"the environment variable {variable} decides it."
    return otherwise
