"""The console script hands over to the program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from multinode import _cli

posix = pytest.mark.skipif(os.name == "nt", reason="writes a shell script")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if k != "MULTINODE_BINARY"}
    return subprocess.run(
        [sys.executable, "-m", "multinode", *arguments],
        env={**clean, **environment},
        cwd=Path(_cli.__file__).parent.parent,
        capture_output=True,
        text=True,
    )


@pytest.fixture(autouse=True)
def _no_packaged_program() -> None:
    if (Path(_cli.__file__).parent / "bin").exists():
        pytest.skip("this installation has its program")


@posix
def test_arguments_and_exit_code_pass_through(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text('#!/bin/sh\nprintf "%s|" "$@"\nexit 7\n')
    program.chmod(0o755)
    done = run("deploy", "my dir", MULTINODE_BINARY=str(program))
    assert (done.stdout, done.returncode) == ("deploy|my dir|", 7)


@posix
def test_a_program_on_the_path_is_found_but_no_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MULTINODE_BINARY", raising=False)
    scripts, programs = tmp_path / "scripts", tmp_path / "programs"
    for folder, content in ((scripts, b"#!/usr/bin/python\n"), (programs, b"\x7fELF")):
        folder.mkdir()
        (folder / "multinode").write_bytes(content)
        (folder / "multinode").chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join((str(scripts), str(programs))))
    assert _cli.find_program() == str(programs / "multinode")


def test_without_a_program(tmp_path: Path) -> None:
    done = run("list", PATH=str(tmp_path))
    assert done.returncode == 1
    assert "MULTINODE_BINARY" in done.stderr
    assert "Traceback" not in done.stderr


def test_with_a_program_that_is_none(tmp_path: Path) -> None:
    done = run("list", MULTINODE_BINARY=str(tmp_path / "missing"))
    assert done.returncode == 1
    assert "cannot be run: No such file" in done.stderr


def test_the_packaged_program_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_cli, "__file__", str(tmp_path / "_cli.py"))
    monkeypatch.setenv("MULTINODE_BINARY", "other")
    assert _cli.find_program() == "other"
    name = "multinode.exe" if os.name == "nt" else "multinode"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / name).touch()
    assert _cli.find_program() == str((tmp_path / "bin" / name).resolve())
