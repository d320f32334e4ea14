"""The ``multinode`` command: finds the program that does the work, and becomes it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn, Optional

from multinode import _environment as environment


def main() -> NoReturn:
    """Run the Multinode program with this process's arguments; exit as it does."""
    program = find_program()
    if program is None:
        sys.exit(
            "This installation of the multinode package came without the multinode program: "
            "there is none for this platform, or it was installed from source. Install the program "
            f"too, on your PATH, or set {environment.BINARY} to its path."
        )
    arguments = [program, *sys.argv[1:]]
    try:
        if os.name == "nt":  # there, exec leaves the terminal to the shell too early
            sys.exit(subprocess.call(arguments))
        os.execv(program, arguments)
    except OSError as error:
        sys.exit(f"The multinode program {program} cannot be run: {error.strerror or error}.")


def find_program() -> Optional[str]:
    """Return the packaged program's path, else what MULTINODE_BINARY says, else one on PATH."""
    name = "multinode.exe" if os.name == "nt" else "multinode"
    packaged = Path(__file__).resolve().parent / "bin" / name
    if packaged.is_file():
        return str(packaged)
    return os.environ.get(environment.BINARY) or _on_path(name)


def _on_path(name: str) -> Optional[str]:
    """Return the first program of this name that is not a script such as this one."""
    for folder in os.get_exec_path():
        candidate = Path(folder) / name
        try:
            if not os.access(candidate, os.X_OK) or not candidate.is_file():
                continue
            with candidate.open("rb") as file:
                if file.read(2) != b"#!":
                    return str(candidate)
        except OSError:
            continue
    return None
