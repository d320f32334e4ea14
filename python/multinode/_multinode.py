"""How a project declares its functions."""

from __future__ import annotations

from datetime import timedelta
from typing import (
    Any,
    AsyncIterator,
    Callable,
    Coroutine,
    Dict,
    Iterator,
    Mapping,
    Optional,
    Protocol,
    cast,
    overload,
)

from multinode import _parameters as parameters
from multinode._function import Function
from multinode._specs import ExecutionSpec, FunctionSpec, ResourceSpec
from multinode._typing import P, R
from multinode.errors import ParameterValidationError


class Decorator(Protocol):
    """What :meth:`Multinode.function` returns, to stand above a function."""

    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> Function[P, R]: ...

    @overload
    def __call__(self, fn: Callable[P, AsyncIterator[R]], /) -> Function[P, R]: ...

    @overload
    def __call__(self, fn: Callable[P, Iterator[R]], /) -> Function[P, R]: ...

    @overload
    def __call__(self, fn: Callable[P, R], /) -> Function[P, R]: ...

    def __call__(self, fn: Callable[..., Any], /) -> Function[..., Any]:
        """Make a function one that runs on workers."""


class Multinode:
    """The functions of a project. A project's ``main.py`` has exactly one, at its top level."""

    def __init__(self) -> None:
        self._functions: Dict[str, Function[..., Any]] = {}

    @property
    def functions(self) -> Mapping[str, Function[..., Any]]:
        """The functions declared so far, by name."""
        return self._functions

    def function(
        self,
        max_retries: int = 0,
        timeout: timedelta = timedelta(hours=1),
        cpu: float = 0.1,
        memory: str = "256 MiB",
        max_concurrency: int = 10,
        docker_image_override: Optional[str] = None,
    ) -> Decorator:
        """Make the function below one that runs on workers.

        The function may be a generator function: what it yields can be seen while it runs, and
        its last yield is its result. Either kind may be async.

        Args:
            max_retries: how often a failed execution is tried again, whether the function raised
                or its worker was lost; 0 to 50.
            timeout: how long an execution may run, up to 24 hours. Then InvocationTimedOutError
                is raised in the function, which has two minutes to end.
            cpu: how many virtual CPUs its worker gets; above 0, up to 16.
            memory: how much memory its worker gets, such as ``"512 MiB"``; in KiB, MiB or GiB,
                up to ``"64 GiB"``.
            max_concurrency: how many executions may run at the same time; 1 to 100. Further
                invocations wait for their turn.
            docker_image_override: an image of your own, such as ``"registry.example/gpu:1"``, to
                run it in where the server runs containers: the project and its requirements are
                put on top. It has Python 3.9 or newer with ``venv``, whose packages can be
                imported. Where the server runs processes, it has no effect.

        Raises:
            ParameterValidationError: a parameter is not allowed, or what is decorated is not a
                function, or there is a function of this name already.
        """
        execution_spec = ExecutionSpec(
            max_retries=parameters.retries(max_retries),
            timeout_seconds=parameters.timeout_seconds(timeout),
        )
        resource_spec = ResourceSpec(
            virtual_cpus=parameters.cpu_count(cpu),
            memory_gbs=parameters.memory_gib(memory),
            max_concurrency=parameters.concurrency(max_concurrency),
        )

        image = parameters.image(docker_image_override)

        def decorate(fn: Callable[..., Any]) -> Function[..., Any]:
            name = parameters.function_name(fn)
            if name in self._functions:
                raise ParameterValidationError(
                    f"There are two functions named {name}: names must differ within a project."
                )
            spec = FunctionSpec(name, resource_spec, execution_spec, image)
            function: Function[..., Any] = Function(spec, fn)
            self._functions[name] = function
            return function

        return cast(Decorator, decorate)
