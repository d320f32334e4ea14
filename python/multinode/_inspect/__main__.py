"""The command; the package's documentation describes it."""

from __future__ import annotations

import fcntl
import json
import os
import sys

from multinode._worker.failures import format_traceback
from multinode._worker.project import ProjectError, find_multinode, load_main


def main(arguments: list[str]) -> int:
    """Inspect the project in the folder that is named, and return the exit code."""
    if len(arguments) != 1:
        print("usage: python -m multinode._inspect PROJECT_DIR", file=sys.stderr)
        return 2
    project_dir = os.path.abspath(arguments[0])
    # As in a worker: the folder one happens to be in is no place to import from.
    if sys.path and sys.path[0] in ("", os.getcwd()):
        del sys.path[0]
    answer = _answer_descriptor()
    try:
        os.chdir(project_dir)
        document = inspect(project_dir)
    except BaseException as error:
        _flush()
        sys.stderr.write(explain(error, project_dir))
        return 1
    _flush()
    with open(answer, "w", encoding="utf-8") as stream:
        stream.write(json.dumps(document) + "\n")
    return 0


def inspect(project_dir: str) -> dict[str, object]:
    """Return the project's functions; raises whatever its import raises."""
    functions = find_multinode(load_main(project_dir)).functions
    if not functions:
        raise ProjectError(
            "main.py declares no function: decorate at least one with `@mn.function()`"
        )
    return {"functions": [function.fn_spec.to_wire() for function in functions.values()]}


def explain(error: BaseException, project_dir: str) -> str:
    """Describe the failure, with paths as the project's author knows them."""
    if isinstance(error, NotADirectoryError) or (
        isinstance(error, FileNotFoundError) and error.filename == project_dir
    ):
        return f"there is no folder {project_dir}\n"
    text = format_traceback(error, shorten=project_dir)
    if isinstance(error, SystemExit):
        text += "main.py ended the process while it was imported: it must not call sys.exit\n"
    elif isinstance(error, ModuleNotFoundError):
        text += (
            f"Add the package that contains {error.name!r} to requirements.txt, or the module to "
            "the project's folder.\n"
        )
    return text


def _answer_descriptor() -> int:
    """Return where the answer goes, out of reach of what the user's code prints."""
    try:
        if fcntl.fcntl(3, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY:
            os.set_inheritable(3, False)
            return 3
    except OSError:
        pass  # it is not open
    answer = os.dup(1)
    os.dup2(2, 1)
    return answer


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            continue  # the user's code has replaced or closed it


if __name__ == "__main__":
    code = main(sys.argv[1:])
    _flush()
    # Threads that the user's modules have started must not keep the build waiting.
    os._exit(code)
