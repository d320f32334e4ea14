"""Asks for an invocation of a version before the latest, with the client of this tree."""

import asyncio
import sys

from multinode import get_deployed_function, get_deployed_function_async
from multinode.errors import InvocationDoesNotExist

old, new, waiting, ended = sys.argv[1:]
f = get_deployed_function("p", "f")
assert f.version_id == new
assert f.get(waiting).status == "PENDING"
assert f.await_result(ended) == "output"


async def on_asyncio() -> None:
    f = await get_deployed_function_async("p", "f")
    assert (await f.get_async(waiting)).status == "PENDING"
    assert await f.await_result_async(ended) == "output"


asyncio.run(on_asyncio())
f.cancel(waiting)
assert get_deployed_function("p", "f", old).get(ended).result == "output"
try:
    get_deployed_function("p", "f", new).get(ended)
except InvocationDoesNotExist:
    pass
else:
    raise AssertionError("an explicit version finds an invocation of another")
