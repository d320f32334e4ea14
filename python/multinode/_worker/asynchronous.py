"""Runs coroutines and asynchronous generators.

An interrupt that comes while the user's coroutine is suspended must be raised at its ``await``,
not in the innards of the event loop. So the main task is cancelled, which ends whatever it waits
for, and on the way into the coroutine the cancellation is swapped for the interrupt's exception.
That is a CancelledError as well: what stands between the user's ``await`` and the event loop, such
as ``asyncio.wait_for``, must see a cancellation to clean up after itself.
"""

from __future__ import annotations

import asyncio
import types
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, AsyncGenerator, Callable, Coroutine, Generator

from multinode._worker.interrupts import Interrupts

Emit = Callable[[Any], str]


def run(coroutine: Coroutine[Any, Any, Any], interrupts: Interrupts) -> Any:
    """Run the coroutine in an event loop of its own and return its result."""
    result, error = interrupts.call(lambda: asyncio.run(_interruptible(coroutine, interrupts)))
    if error is not None:
        raise error
    return result


def drain(generator: AsyncGenerator[Any, Any], interrupts: Interrupts, emit: Emit) -> str:
    """Run the generator to its end and return its last yield, encoded."""

    async def consume() -> str:
        last = "null"
        step = generator.__anext__()
        try:
            while True:
                try:
                    item = await step
                except StopAsyncIteration:
                    return last
                last = interrupts.shielded(partial(emit, item))
                if interrupts.waiting:
                    step = generator.athrow(interrupts.take())
                else:
                    step = generator.__anext__()
        finally:
            await generator.aclose()

    return str(run(consume(), interrupts))


class _Threads(ThreadPoolExecutor):
    """The event loop's own threads, as ``asyncio.to_thread`` uses them.

    At its end an event loop waits for them. After an interrupt that would hold up what the user's
    coroutine has returned, until it is too late: a thread cannot be interrupted.
    """

    def __init__(self, interrupts: Interrupts) -> None:
        super().__init__(thread_name_prefix="asyncio")
        self._interrupts = interrupts

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        interrupted = self._interrupts.kind is not None
        super().shutdown(wait and not interrupted, cancel_futures=cancel_futures)


async def _interruptible(
    coroutine: Coroutine[Any, Any, Any], interrupts: Interrupts
) -> tuple[Any, BaseException | None]:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(_Threads(interrupts))
    task = asyncio.current_task()
    assert task is not None  # asyncio.run always makes one

    def route(frame: types.FrameType | None) -> bool:
        if asyncio.current_task(loop) is task and frame is not None and not _is_machinery(frame):
            # The user's code computes or blocks without awaiting.
            return False
        loop.call_soon_threadsafe(cancel)
        return True

    def cancel() -> None:
        # Something else may have taken the interrupt in the meantime.
        if interrupts.waiting:
            task.cancel()

    interrupts.reroute(route, also=asyncio.CancelledError)
    try:
        return await _drive(coroutine, interrupts, task), None
    except BaseException as error:
        # Returned, since asyncio makes another exception of a CancelledError.
        return None, error
    finally:
        interrupts.reroute(None, also=None)


def _is_machinery(frame: types.FrameType) -> bool:
    name = str(frame.f_globals.get("__name__", ""))
    return name.split(".")[0] == "asyncio" or name.startswith("multinode._worker.")


@types.coroutine
def _drive(
    coroutine: Coroutine[Any, Any, Any], interrupts: Interrupts, task: asyncio.Task[Any]
) -> Generator[Any, Any, Any]:
    error: BaseException | None = None
    try:
        while True:
            waited_for = coroutine.send(None) if error is None else coroutine.throw(error)
            error = None
            try:
                yield waited_for
            except BaseException as thrown:
                error = thrown
                if isinstance(thrown, asyncio.CancelledError) and interrupts.waiting:
                    error = interrupts.take()
                    # Python 3.11 counts cancellations; this one has been dealt with.
                    getattr(task, "uncancel", int)()
    except StopIteration as stop:
        return stop.value
