from __future__ import annotations

import signal
from pathlib import Path
from typing import Callable, Iterator

import pytest

from tests.worker_process import Worker

Start = Callable[[str], Worker]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    workers = []

    def start(source: str) -> Worker:
        workers.append(Worker(tmp_path, source))
        return workers[-1]

    yield start
    for worker in workers:
        worker.close()


def test_a_call(start: Start) -> None:
    worker = start("@mn.function()\ndef f(a, *, b): print('hi'); return [a, b]").assign(
        '[[1], {"b": "é"}]'
    )
    assert worker.events() == [("R", None), ("S", None), ("O", [1, "é"])]
    assert worker.output() == ("hi\n", "")
    assert worker.process.returncode == 0


@pytest.mark.parametrize("definition", ["def", "async def"])
def test_a_generator(start: Start, definition: str) -> None:
    worker = start(f"@mn.function()\n{definition} f():\n yield 1\n yield 2").assign()
    assert worker.events() == [("R", None), ("S", None), ("Y", 1), ("Y", 2), ("O", 2)]


def test_a_generator_without_yields(start: Start) -> None:
    worker = start("@mn.function()\ndef f():\n if False: yield 1").assign()
    assert worker.events()[-1] == ("O", None)


def test_a_yield_that_is_changed_later(start: Start) -> None:
    worker = start(
        "@mn.function()\ndef f():\n x = [1]\n yield x\n x.append(open('/dev/null'))"
    ).assign()
    assert worker.events()[-1] == ("O", [1])


def test_a_wrapped_coroutine(start: Start) -> None:
    worker = start(
        "import functools\n"
        "def twice(fn):\n"
        " @functools.wraps(fn)\n"
        " def inner(*args): return fn(*args)\n"
        " return inner\n"
        "@mn.function()\n@twice\nasync def f(): return 5"
    ).assign()
    assert worker.events()[-1] == ("O", 5)


def test_objects_travel(start: Start) -> None:
    source = (
        "import dataclasses\n@dataclasses.dataclass\nclass Point:\n x: int\n y: int\n"
        "@mn.function()\ndef f(p): return Point(p.y, p.x)"
    )
    worker = start(source).assign('[[{"py/object": "main.Point", "x": 1, "y": 2}], {}]')
    assert worker.events()[-1] == ("O", {"py/object": "main.Point", "x": 2, "y": 1})


@pytest.mark.parametrize("text", ["[]", "{}", "[1, {}]", "[[], []]", "[[], {}, 1]"])
def test_input_of_the_wrong_shape(start: Start, text: str) -> None:
    kind, body = start("@mn.function()\ndef f(): pass").assign(text).events()[-1]
    assert (kind, body["kind"]) == ("E", "failed")
    assert "[args, kwargs]" in body["message"]


def test_input_that_is_not_json(start: Start) -> None:
    kind, body = start("@mn.function()\ndef f(): pass").assign("[[").events()[-1]
    assert kind == "E"
    assert "SerializationError" in body["message"]


def test_the_traceback_is_the_users(start: Start) -> None:
    worker = start(
        "@mn.function()\ndef f():\n"
        " try:\n  {}['x']\n except KeyError as e:\n  raise ValueError('no') from e"
    ).assign()
    assert worker.events()[-1] == ("E", {"kind": "failed", "message": "ValueError: no"})
    _, stderr = worker.output()
    assert "direct cause" in stderr
    assert "_worker" not in stderr


def test_the_traceback_of_a_coroutine(start: Start) -> None:
    worker = start("@mn.function()\nasync def f():\n raise ValueError('no')").assign()
    assert worker.events()[-1][0] == "E"
    _, stderr = worker.output()
    assert "in f" in stderr
    assert "_worker" not in stderr
    assert "asyncio" not in stderr


def test_the_traceback_of_a_call_of_the_api(start: Start) -> None:
    worker = start("@mn.function()\ndef f():\n return f.cancel('inv-1')")
    worker.assign(
        MULTINODE_PROJECT_NAME="p",
        MULTINODE_VERSION_ID="v",
        MULTINODE_API_URL="http://[::1",
        MULTINODE_API_KEY="k",
    )
    assert "is not the URL of a Multinode API" in worker.events()[-1][1]["message"]
    _, stderr = worker.output()
    assert "return f.cancel('inv-1')" in stderr
    assert "_connection" not in stderr


def test_the_traceback_of_a_function_that_is_called_here(start: Start) -> None:
    source = "@mn.function()\ndef g(): return 1 / 0\n@mn.function()\ndef f(): g.call_local()"
    worker = start(source).assign()
    assert worker.events()[-1][0] == "E"
    assert "return 1 / 0" in worker.output()[1]


def test_an_exception_that_cannot_be_shown(start: Start) -> None:
    worker = start(
        "class Odd(Exception):\n def __str__(self): raise RuntimeError\n"
        "@mn.function()\ndef f(): raise Odd"
    ).assign()
    assert worker.events()[-1][1]["message"] == "main.Odd: <its text cannot be shown>"


def test_an_end_of_file_of_the_users(start: Start) -> None:
    worker = start("@mn.function()\ndef f(): input()").assign()
    assert worker.events()[-1][1]["message"].startswith("EOFError")


@pytest.mark.parametrize(
    ("number", "kind", "name"),
    [
        (signal.SIGTERM, "cancelled", "InvocationCancelledError"),
        (signal.SIGUSR1, "timed_out", "InvocationTimedOutError"),
    ],
)
def test_an_interrupt(start: Start, number: int, kind: str, name: str) -> None:
    worker = start("import time\n@mn.function()\ndef f():\n yield 1\n time.sleep(600)").assign()
    worker.until("Y")
    worker.interrupt(number)
    (first, _), (second, body) = worker.events()
    assert (first, second, body["kind"]) == ("X", "E", kind)
    _, stderr = worker.output()
    assert name in stderr
    assert "in f\n" in stderr
    assert "_worker" not in stderr


def test_an_interrupt_before_the_assignment(start: Start) -> None:
    worker = start("@mn.function()\ndef f(): return 1")
    worker.until("R")
    worker.interrupt()
    worker.interrupt(signal.SIGUSR1)  # only the first counts
    assert [kind for kind, _ in worker.assign().events()] == ["X", "E"]


def test_an_interrupt_while_the_harness_works(start: Start) -> None:
    # The signal comes while a yield is being encoded: it is raised in the generator.
    worker = start(
        "import os, signal\n"
        "class Odd:\n"
        " def __getstate__(self): os.kill(os.getpid(), signal.SIGTERM); return {}\n"
        "@mn.function()\ndef f():\n"
        " try:\n  yield Odd()\n except Exception as e:\n  yield type(e).__name__"
    ).assign()
    events = worker.events()
    assert [kind for kind, _ in events] == ["R", "S", "Y", "X", "Y", "O"]
    assert events[-1][1] == "InvocationCancelledError"


def test_an_interrupt_at_an_await(start: Start) -> None:
    # What the coroutine waits for is cancelled, the coroutine itself gets the interrupt.
    worker = start(
        "import asyncio\n"
        "@mn.function()\nasync def f():\n"
        " task = asyncio.ensure_future(asyncio.sleep(600))\n"
        " asyncio.get_running_loop().call_later(0.01, print, 'waiting')\n"
        " try:\n  await asyncio.wait_for(task, 600)\n"
        " except Exception as e:\n"
        "  await asyncio.sleep(0)\n"
        "  return [type(e).__name__, task.cancelled()]"
    ).assign()
    assert worker.process.stdout is not None
    assert worker.process.stdout.readline() == b"waiting\n"
    worker.interrupt()
    assert worker.events()[-1] == ("O", ["InvocationCancelledError", True])


def test_children_do_not_inherit_the_interrupts(start: Start) -> None:
    worker = start(
        "import multiprocessing, signal, time\n"
        "@mn.function()\ndef f():\n"
        " context = multiprocessing.get_context('fork')\n"
        " codes = set()\n"
        " for _ in range(100):\n"
        "  process = context.Process(target=time.sleep, args=(600,))\n"
        "  process.start()\n  process.terminate()\n  process.join()\n"
        "  codes.add(process.exitcode)\n"
        " return list(codes)"
    ).assign()
    assert worker.events()[-1] == ("O", [-signal.SIGTERM])


def test_interrupts_are_not_lost_in_forks(start: Start) -> None:
    worker = start(
        "import os, time\n"
        "@mn.function()\ndef f():\n"
        " yield 1\n"
        " while True:\n"
        "  pid = os.fork()\n"
        "  if pid == 0: os._exit(0)\n"
        "  os.waitpid(pid, 0)"
    ).assign()
    worker.until("Y")
    worker.interrupt()
    assert [kind for kind, _ in worker.events()] == ["X", "E"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_interrupts_are_not_lost_in_finalizers(start: Start, number: int) -> None:
    # Python swallows what is raised in a finalizer or in a weak reference's callback.
    worker = start(
        "import os, time\n"
        "class Odd:\n"
        f" def __del__(self): os.kill(os.getpid(), {int(number)})\n"
        "@mn.function()\ndef f():\n"
        " Odd()\n"
        " while True: time.sleep(0.05)"
    ).assign()
    events = worker.events()
    assert events[-1][0] == "E"
    assert events[-1][1]["kind"] == ("cancelled" if number == signal.SIGTERM else "timed_out")
    assert "ignored" not in worker.output()[1]


def test_children_by_spawning(start: Start) -> None:
    worker = start(
        "import multiprocessing\ndef double(x): return 2 * x\n"
        "@mn.function()\ndef f():\n"
        " with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "  return pool.map(double, [1, 2])"
    ).assign()
    assert worker.events()[-1] == ("O", [2, 4])


def test_the_runner_goes_away(start: Start) -> None:
    worker = start("")
    worker.until("R")
    worker.hang_up()
    assert worker.event() == ("", None)
    worker.output()
    assert worker.process.returncode == 1


def test_native_output_is_flushed(start: Start) -> None:
    # numpy brings extension modules along, as a project with native code does.
    worker = start(
        "import ctypes, numpy\n@mn.function()\ndef f(): ctypes.CDLL(None).puts(b'native')"
    ).assign()
    assert worker.events()[-1][0] == "O"
    assert worker.output()[0] == "native\n"


def test_an_interrupt_after_the_function(start: Start) -> None:
    # The result is complete: the interrupt does not reach the user's code any more.
    worker = start(
        "import os, signal\n"
        "class Odd:\n"
        " def __getstate__(self): os.kill(os.getpid(), signal.SIGTERM); return {}\n"
        "@mn.function()\ndef f(): return Odd()"
    ).assign()
    assert [kind for kind, _ in worker.events()] == ["R", "S", "O"]
