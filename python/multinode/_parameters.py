"""Checks of what ``@mn.function(...)`` is given."""

import math
import re
from datetime import timedelta
from numbers import Integral, Real
from typing import Any, Optional

from multinode import _limits as limits
from multinode.errors import ParameterValidationError

_MEMORY = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(KiB|MiB|GiB)\s*", re.ASCII)
_UNITS_PER_GIB = {"KiB": 1024 * 1024, "MiB": 1024, "GiB": 1}


def cpu_count(cpu: Any) -> float:
    """Check a number of virtual CPUs, and return it."""
    allowed = f"a number above 0 and up to {limits.MAX_CPU}"
    if isinstance(cpu, bool) or not isinstance(cpu, Real):
        raise _not_allowed("cpu", cpu, allowed)
    value = float(cpu)
    if not 0 < value <= limits.MAX_CPU:  # also false for NaN
        raise _not_allowed("cpu", cpu, allowed)
    return value


def image(name: Any) -> Optional[str]:
    """Check the name of a container image, and return it; None for none."""
    if name is None:
        return None
    allowed = "the name of a container image, such as 'registry.example/team/image:1'"
    if not isinstance(name, str) or not name.strip() or len(name) > limits.MAX_IMAGE_NAME_LENGTH:
        raise _not_allowed("docker_image_override", name, allowed)
    return name.strip()


def memory_gib(memory: Any) -> float:
    """Check an amount of memory, and return it in GiB."""
    allowed = (
        "text such as '256 MiB' or '1.5 GiB', in KiB, MiB or GiB, above 0 and up to "
        f"'{limits.MAX_MEMORY_GIB} GiB'"
    )
    match = _MEMORY.fullmatch(memory) if isinstance(memory, str) else None
    if match is None:
        raise _not_allowed("memory", memory, allowed)
    value = float(match.group(1)) / _UNITS_PER_GIB[match.group(2)]
    if not 0 < value <= limits.MAX_MEMORY_GIB:
        raise _not_allowed("memory", memory, allowed)
    return value


def concurrency(max_concurrency: Any) -> int:
    """Check how many executions may run at once, and return it."""
    return _integer("max_concurrency", max_concurrency, 1, limits.MAX_CONCURRENCY)


def retries(max_retries: Any) -> int:
    """Check how often to try again, and return it."""
    if callable(max_retries):
        raise ParameterValidationError(
            "Write @mn.function() with parentheses, also where there are no parameters."
        )
    return _integer("max_retries", max_retries, 0, limits.MAX_RETRIES)


def timeout_seconds(timeout: Any) -> int:
    """Check a timeout, and return it in seconds, rounded up."""
    limit = timedelta(hours=limits.MAX_TIMEOUT_HOURS)
    if not isinstance(timeout, timedelta) or not timedelta(0) < timeout <= limit:
        raise _not_allowed(
            "timeout",
            timeout,
            "a timedelta, such as timedelta(minutes=5), above 0 and up to "
            f"{limits.MAX_TIMEOUT_HOURS} hours",
        )
    return math.ceil(timeout.total_seconds())


def function_name(fn: Any) -> str:
    """Check what is to become a function, and return its name."""
    name = getattr(fn, "__name__", None)
    if not callable(fn) or not isinstance(name, str) or not name.isidentifier():
        raise ParameterValidationError(
            f"@mn.function(...) must stand above a function made with def, not {fn!r}."
        )
    if len(name) > limits.MAX_FUNCTION_NAME_LENGTH:
        raise ParameterValidationError(
            f"The name of a function must not exceed {limits.MAX_FUNCTION_NAME_LENGTH} "
            f"characters: {name[:32]}... has {len(name)}."
        )
    return name


def _integer(name: str, value: Any, least: int, most: int) -> int:
    number = -1 if isinstance(value, bool) or not isinstance(value, Integral) else int(value)
    if least <= number <= most:
        return number
    raise _not_allowed(name, value, f"a whole number from {least} to {most}")


def _not_allowed(name: str, value: Any, allowed: str) -> ParameterValidationError:
    return ParameterValidationError(f"{name} must be {allowed}; {value!r} is not allowed.")
