"""A function that runs on workers."""

from __future__ import annotations

import functools
import os
from typing import (
    TYPE_CHECKING,
    Any,
    AsyncIterator,
    Awaitable,
    Callable,
    Dict,
    Generic,
    Iterable,
    Iterator,
    List,
    Optional,
    Tuple,
)

from multinode import _environment as environment
from multinode._later import Later
from multinode._specs import FunctionSpec
from multinode._typing import P, R
from multinode.errors import InvalidUseError

if TYPE_CHECKING:
    from multinode import _calls as calls
    from multinode import _connection as connections
    from multinode import _local as local
    from multinode import _results as results
    from multinode import _serialization as serialization
    from multinode._calls import InvocationIdsList, Start, Target
    from multinode.core.children import Children
    from multinode.core.invocation import Invocation
else:
    calls = Later("multinode._calls")
    connections = Later("multinode._connection")
    local = Later("multinode._local")
    results = Later("multinode._results")
    serialization = Later("multinode._serialization")


class Function(Generic[P, R]):
    """A function whose invocations run on workers, each on one of its own.

    You get one from :func:`multinode.get_deployed_function`, or inside of a deployed project as
    what ``@mn.function(...)`` makes of your function. The latter starts invocations only inside
    of a worker: there they are recorded as children of the invocation that starts them, run the
    same version, and are cancelled with it.

    Each method that talks to the Multinode API has a twin for asyncio, whose name ends in
    ``_async``. All retry what is safe to retry, for some seconds, when the API is out of reach.

    Raises (all methods that talk to the API):
        InvalidUseError: a decorated function is used outside of a worker.
        ConfigurationError: there is no valid login, and nothing in the environment.
        MultinodeApiException: what the API answered, such as ApiKeyIsInvalid, or
            ApiUnreachable. See :mod:`multinode.api_client.error_types`.

    Attributes:
        fn_spec: its name and what it asks for.
        fn: the Python function, None if it came from ``get_deployed_function``.
        project_name: its project, None if the worker's environment tells.
        version_id: the version that it starts invocations of, None if the worker's environment
            tells.
    """

    def __init__(
        self,
        fn_spec: FunctionSpec,
        fn: Optional[Callable[..., Any]] = None,
        project_name: Optional[str] = None,
        version_id: Optional[str] = None,
        any_version: bool = False,
    ) -> None:
        self.fn_spec = fn_spec
        self.fn = fn
        self.project_name = project_name
        self.version_id = version_id
        self._any_version = any_version
        self.__doc__ = getattr(fn, "__doc__", None)

    def __repr__(self) -> str:
        where = f" of {self.project_name}, {self.version_id}" if self.project_name else ""
        return f"<multinode function {self.fn_spec.function_name}{where}>"

    if not TYPE_CHECKING:  # a type checker is to say that it cannot be called

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            """Refuse to be called without saying where to run."""
            name = self.fn_spec.function_name
            here = f"{name}.call_local(...) to run it in this process, " if self.fn else ""
            raise InvalidUseError(
                f"{name} is a function that runs on workers, and cannot be called directly. Use "
                f"{here}{name}.call_remote(...) to run it on a worker and wait for its result, "
                f"or {name}.start(...) to run it on a worker without waiting."
            )

    def start(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Start an invocation with these arguments, and return its ID without waiting for it.

        The ID is returned when the request is safely stored. However often it had to be sent
        for that, there is one invocation.

        Raises:
            SerializationError: an argument cannot be sent.
            FunctionInputSizeLimitExceeded: the arguments take more than 250,000 characters.
        """
        target = self._target()
        return connections.run(calls.start(target, _request(args, kwargs)))

    async def start_async(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Do the same as :meth:`start`, on asyncio."""
        target = self._target()
        return await connections.run_async(calls.start(target, _request(args, kwargs)))

    def get(self, invocation_id: str) -> Invocation:
        """Return what is known of an invocation now: its status, result, error and so on.

        It may have been started under another version, unless the function was got with a
        ``version_id``; so for :meth:`await_result` and :meth:`cancel`.

        Raises:
            InvocationDoesNotExist: this function has no such invocation.
            SerializationError: its result cannot be decoded here.
        """
        return connections.run(calls.get(self._target_of_id(), invocation_id))

    async def get_async(self, invocation_id: str) -> Invocation:
        """Do the same as :meth:`get`, on asyncio."""
        return await connections.run_async(calls.get(self._target_of_id(), invocation_id))

    def await_result(self, invocation_id: str) -> R:
        """Wait until an invocation has finished, and return its result.

        The result of a generator function is its last yield. Waits as long as it takes, also
        while the API is out of reach for up to some minutes.

        Raises:
            InvocationFailedError: it failed; the text begins with the function's own error, which
                is also the attribute ``error``.
            InvocationCancelledError: it was cancelled.
            InvocationTimedOutError: it took longer than the function's timeout.
            InvocationDoesNotExist: this function has no such invocation.
            SerializationError: its result cannot be decoded here.
        """
        result: R = connections.run(calls.await_result(self._target_of_id(), invocation_id))
        return result

    async def await_result_async(self, invocation_id: str) -> R:
        """Do the same as :meth:`await_result`, on asyncio.

        Cancelling the task stops the waiting only; the invocation goes on.
        """
        steps = calls.await_result(self._target_of_id(), invocation_id)
        result: R = await connections.run_async(steps)
        return result

    def call_remote(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function on a worker: :meth:`start` and :meth:`await_result` in one.

        An interrupted wait, by Ctrl-C say, leaves the invocation running.
        """
        target = self._target()
        result: R = connections.run(calls.call(target, _request(args, kwargs)))
        return result

    async def call_remote_async(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Do the same as :meth:`call_remote`, on asyncio.

        Cancelling the task stops the waiting only; the invocation goes on.
        """
        target = self._target()
        result: R = await connections.run_async(calls.call(target, _request(args, kwargs)))
        return result

    def call_local(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function here, in this process, without the API.

        As on a worker, the result of a generator function is its last yield, or None if there
        is none.

        Raises:
            InvalidUseError: the function came from ``get_deployed_function``, which gives no
                code to run.
        """
        result: R = local.run(self._local_call(args, kwargs))
        return result

    async def call_local_async(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Do the same as :meth:`call_local`, on asyncio.

        A function that is not an async one runs in a thread, so that the event loop goes on.
        """
        result: R = await local.run_async(self._local_call(args, kwargs))
        return result

    def map(self, iterable: Iterable[Any]) -> Iterator[R]:
        """Run the function on workers once for each item, as its only argument.

        See :meth:`starmap`.
        """
        return self.starmap((item,) for item in iterable)

    def map_async(self, iterable: Iterable[Any]) -> AsyncIterator[R]:
        """Do the same as :meth:`map`, on asyncio: ``async for result in f.map_async(items)``."""
        return self.starmap_async((item,) for item in iterable)

    def starmap(self, iterable: Iterable[Iterable[Any]]) -> Iterator[R]:
        """Run the function on workers once for each group of positional arguments.

        All invocations are started before this returns. The results come in the order of the
        arguments, each waited for when it is asked for; after one that raises, the next can
        still be asked for. If an argument cannot be sent, nothing is started; if an invocation
        cannot be started, those already started are cancelled. What was started goes on where
        you stop waiting.

        Raises:
            As :meth:`start`; and as :meth:`await_result` when the results are asked for.
        """
        target, requests = self._target(), _requests(iterable)
        ids = connections.run(calls.start_all(target, requests)) if requests else []

        def await_result(invocation_id: str) -> R:
            result: R = connections.run(calls.await_result(target, invocation_id))
            return result

        return results.Results(ids, await_result)

    def starmap_async(self, iterable: Iterable[Iterable[Any]]) -> AsyncIterator[R]:
        """Do the same as :meth:`starmap`, on asyncio, starting all when the first is asked for.

        A result whose waiting was cancelled, as :func:`asyncio.wait_for` does, is the next again;
        nothing is started twice.
        """
        target, requests = self._target(), _requests(iterable)

        async def start_all() -> List[str]:
            if not requests:
                return []
            return await connections.run_async(calls.start_all(target, requests))

        def await_result(invocation_id: str) -> Awaitable[R]:
            return connections.run_async(calls.await_result(target, invocation_id))

        return results.AsyncResults(start_all, await_result)

    def cancel(self, invocation_id: str) -> None:
        """Ask for an invocation, and for all that it started, to be cancelled.

        Returns when that is safely stored. One that waits is cancelled at once. In one that runs,
        InvocationCancelledError is raised, and it has two minutes to end.

        Raises:
            InvocationIsAlreadyTerminated: it has ended before.
            InvocationDoesNotExist: this function has no such invocation.
        """
        connections.run(calls.cancel(self._target_of_id(), invocation_id))

    async def cancel_async(self, invocation_id: str) -> None:
        """Do the same as :meth:`cancel`, on asyncio."""
        await connections.run_async(calls.cancel(self._target_of_id(), invocation_id))

    def children(self, invocation_id: str) -> Children:
        """Return what an invocation has started itself, of any function of the project.

        Raises:
            InvocationDoesNotExist: this function has no such invocation.
        """
        return connections.run(calls.children(self._target_of_id(), invocation_id))

    async def children_async(self, invocation_id: str) -> Children:
        """Do the same as :meth:`children`, on asyncio."""
        return await connections.run_async(calls.children(self._target_of_id(), invocation_id))

    def list(self, offset: Optional[str] = None) -> InvocationIdsList:
        """List the function's invocations, newest first, at most 50 at a time.

        Args:
            offset: the ``next_offset`` of the page before, None for the first page.

        Raises:
            OffsetIsInvalid: the offset was not got that way.
        """
        return connections.run(calls.page(self._target(), offset))

    async def list_async(self, offset: Optional[str] = None) -> InvocationIdsList:
        """Do the same as :meth:`list`, on asyncio."""
        return await connections.run_async(calls.page(self._target(), offset))

    def _local_call(self, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> Callable[[], Any]:
        if self.fn is None:
            raise InvalidUseError(
                f"{self.fn_spec.function_name} came from get_deployed_function(...), which gives "
                "no code to run here. Use call_remote(...)."
            )
        return functools.partial(self.fn, *args, **kwargs)

    def _target(self) -> Target:
        project_name = self.project_name or os.environ.get(environment.PROJECT_NAME)
        version_id = self.version_id or os.environ.get(environment.VERSION_ID)
        if not project_name or not version_id:
            name = self.fn_spec.function_name
            raise InvalidUseError(
                f"{name} is a decorated function, which starts invocations only inside of a "
                "worker. Elsewhere, use "
                f'get_deployed_function(project_name="...", function_name="{name}"), or '
                f"{name}.call_local(...) to run it here."
            )
        return calls.Target(project_name, version_id, self.fn_spec.function_name)

    def _target_of_id(self) -> Target:
        """Return where an ID is looked up: in every version, unless one was asked for."""
        target = self._target()
        return target._replace(version_id=calls.LATEST) if self._any_version else target


def _request(args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> Start:
    return calls.Start.of(serialization.encode_input(args, kwargs))


def _requests(iterable: Iterable[Iterable[Any]]) -> List[Start]:
    return [_request(tuple(args), {}) for args in iterable]
