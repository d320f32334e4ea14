"""Runs the user's function, of whichever kind it is."""

from functools import partial
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, Callable, Generator

from multinode._worker.interrupts import Interrupts

# Encodes one yield and sends it; returns its text.
Emit = Callable[[Any], str]


def run(
    call: Callable[[], Any], interrupts: Interrupts, encode: Callable[[Any], str], emit: Emit
) -> str:
    """Run the call to its end and return its final output, encoded.

    What the call returns decides, not how the function was defined: so wrapped
    functions work too. The output of a generator is the last of its yields.
    """
    result = interrupts.call(call)
    if isinstance(result, GeneratorType):
        return _drain(result, interrupts, emit)
    if isinstance(result, (CoroutineType, AsyncGeneratorType)):
        # Here and not above: importing asyncio takes longer than all the rest.
        from multinode._worker import asynchronous

        if isinstance(result, AsyncGeneratorType):
            return asynchronous.drain(result, interrupts, emit)
        return encode(asynchronous.run(result, interrupts))
    return encode(result)


def _drain(generator: Generator[Any, Any, Any], interrupts: Interrupts, emit: Emit) -> str:
    last = "null"
    try:
        while True:
            try:
                item = interrupts.call(partial(next, generator), throw=generator.throw)
            except StopIteration:
                return last
            last = emit(item)
    finally:
        generator.close()
