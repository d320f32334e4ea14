"""What @mn.function(...) allows, and how it says what it does not."""

from __future__ import annotations

import functools
import random
from datetime import timedelta
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from multinode import Multinode
from multinode.errors import ParameterValidationError


def declare(**parameters: Any) -> Any:
    def f() -> None: ...

    return Multinode().function(**parameters)(f).fn_spec


def test_defaults() -> None:
    mn = Multinode()

    @mn.function()
    def f() -> None:
        """Do nothing."""

    assert mn._functions == {"f": f}
    assert mn.functions["f"] is f
    assert f.__doc__ == "Do nothing."
    assert f.fn_spec.to_wire() == {
        "function_name": "f",
        "resource_spec": {"virtual_cpus": 0.1, "memory_gbs": 0.25, "max_concurrency": 10},
        "execution_spec": {"max_retries": 0, "timeout_seconds": 3600},
    }


def test_all_parameters() -> None:
    spec = declare(
        cpu=4, memory="16 GiB", max_retries=1, max_concurrency=20, timeout=timedelta(minutes=2)
    )
    assert spec.resource_spec == (4.0, 16.0, 20)
    assert spec.execution_spec == (1, 120)


NUMBERS = [True, False, "1", None, [], 1j, float("nan"), float("inf"), -float("inf"), -1, 10**9]


@pytest.mark.parametrize("value", [*NUMBERS, 0, -0.1, 16.01, np.bool_(True)])
def test_cpu_refused(value: Any) -> None:
    with pytest.raises(ParameterValidationError, match="cpu must be a number above 0 and up to 16"):
        declare(cpu=value)


@pytest.mark.parametrize("value", [0.001, 16, Fraction(1, 2), np.float32(0.5), np.int64(3)])
def test_cpu_allowed(value: Any) -> None:
    cpu = declare(cpu=value).resource_spec.virtual_cpus
    assert (type(cpu), cpu) == (float, float(value))


@pytest.mark.parametrize("value", [*NUMBERS, -1, 51, 1.0, 0.5])
def test_max_retries_refused(value: Any) -> None:
    with pytest.raises(ParameterValidationError, match=r"max_retries must be .* from 0 to 50"):
        declare(max_retries=value)


@pytest.mark.parametrize("value", [*NUMBERS, 0, 101, 1.0])
def test_max_concurrency_refused(value: Any) -> None:
    with pytest.raises(ParameterValidationError, match=r"max_concurrency must be .* from 1 to 100"):
        declare(max_concurrency=value)


@pytest.mark.parametrize("value", [0, 50, np.int64(7)])
def test_max_retries_allowed(value: Any) -> None:
    assert declare(max_retries=value).execution_spec.max_retries == value


@pytest.mark.parametrize("value", [1, 100])
def test_max_concurrency_allowed(value: Any) -> None:
    assert declare(max_concurrency=value).resource_spec.max_concurrency == value


@pytest.mark.parametrize(
    "value",
    [
        *NUMBERS, 256, b"1 GiB", "", "GiB", "1", "1 GB", "1 gib", "1 TiB", "-1 GiB", "+1 GiB",
        "0 MiB", "0.0 KiB", "64.1 GiB", "65537 MiB", "67108865 KiB", "nan GiB", "inf GiB",
        "1e3 MiB", "1_0 MiB", "1,5 GiB", ".5 GiB", "1. GiB", "1 GiB 2", "1 2 GiB", "٣ GiB",
        "9" * 400 + " GiB",
    ],
)  # fmt: skip
def test_memory_refused(value: Any) -> None:
    with pytest.raises(ParameterValidationError, match="memory must be text such as '256 MiB'"):
        declare(memory=value)


@pytest.mark.parametrize(
    ("value", "gib"),
    [
        ("1 GiB", 1), ("1GiB", 1), (" 1.5  GiB ", 1.5), ("64 GiB", 64), ("65536 MiB", 64),
        ("512 MiB", 0.5), ("1048576 KiB", 1), ("1 KiB", 2**-20),
    ],
)  # fmt: skip
def test_memory_allowed(value: str, gib: float) -> None:
    assert declare(memory=value).resource_spec.memory_gbs == gib


@pytest.mark.parametrize(
    "value",
    [*NUMBERS, 60, timedelta(0), timedelta(seconds=-1), timedelta(hours=24, microseconds=1)],
)
def test_timeout_refused(value: Any) -> None:
    with pytest.raises(ParameterValidationError, match=r"timeout must be a timedelta.* 24 hours"):
        declare(timeout=value)


def test_timeouts_are_rounded_up_to_seconds() -> None:
    chance = random.Random(1)
    for _ in range(200):
        seconds = chance.randint(0, 86399)
        part = chance.randint(1, 10**6)
        timeout = timedelta(seconds=seconds, microseconds=part)
        assert declare(timeout=timeout).execution_spec.timeout_seconds == seconds + 1


def test_what_is_in_bounds_is_kept_and_what_is_not_is_refused() -> None:
    chance = random.Random(2)
    for _ in range(500):
        cpu = chance.uniform(-2, 20)
        retries, concurrency = chance.randint(-5, 60), chance.randint(-5, 120)
        mebibytes = chance.randint(0, 70_000)
        allowed = (
            0 < cpu <= 16
            and 0 <= retries <= 50
            and 1 <= concurrency <= 100
            and 0 < mebibytes <= 65536
        )
        parameters = {
            "cpu": cpu,
            "max_retries": retries,
            "max_concurrency": concurrency,
            "memory": f"{mebibytes} MiB",
        }
        if allowed:
            spec = declare(**parameters)
            assert spec.resource_spec == (cpu, mebibytes / 1024, concurrency)
            assert spec.execution_spec.max_retries == retries
        else:
            with pytest.raises(ParameterValidationError):
                declare(**parameters)


def test_parentheses_are_needed() -> None:
    with pytest.raises(ParameterValidationError, match="parentheses"):

        @Multinode().function  # type: ignore[arg-type]
        def f() -> None: ...


@pytest.mark.parametrize("thing", [lambda: None, functools.partial(print), 3, None, "f"])
def test_only_functions_with_a_name(thing: Any) -> None:
    with pytest.raises(ParameterValidationError, match="must stand above a function"):
        Multinode().function()(thing)


def test_names_have_a_limit() -> None:
    def f() -> None: ...

    f.__name__ = "x" * 1023
    Multinode().function()(f)
    f.__name__ = "x" * 1024
    with pytest.raises(ParameterValidationError, match="must not exceed 1023 characters"):
        Multinode().function()(f)


def test_names_differ_within_a_project() -> None:
    mn = Multinode()

    def f() -> None: ...

    mn.function()(f)
    with pytest.raises(ParameterValidationError, match="two functions named f"):
        mn.function()(f)


def test_an_image_of_ones_own() -> None:
    assert "docker_image_override" not in declare().to_wire()
    spec = declare(docker_image_override=" registry.example/gpu:1 ")
    assert spec.to_wire()["docker_image_override"] == "registry.example/gpu:1"
    for name in ("", " ", 3, "x" * 1024):
        with pytest.raises(ParameterValidationError, match="docker_image_override"):
            declare(docker_image_override=name)
