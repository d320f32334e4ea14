from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.worker_process import PACKAGE_DIR

HEAD = "from multinode import Multinode\nmn = Multinode()\n"
DECLARED = HEAD + "@mn.function()\ndef f(x): return x\n"


def inspect(
    project: Path, *, cwd: Path | None = None, command: str = "{python} -m multinode._inspect {dir}"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-c", command.format(python=sys.executable, dir=project)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PACKAGE_DIR)},
    )


def write(project: Path, **files: str) -> Path:
    for name, text in files.items():
        (project / f"{name}.py").write_text(text, encoding="utf-8")
    return project


def refusal(project: Path) -> str:
    result = inspect(project)
    assert result.returncode == 1
    assert result.stdout == ""
    return result.stderr


def document(result: subprocess.CompletedProcess[str]) -> Any:
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_functions_and_what_they_ask_for(tmp_path: Path) -> None:
    main = HEAD + (
        "from datetime import timedelta\n"
        "@mn.function(cpu=4.0, memory='16 GiB', max_retries=1, max_concurrency=5,"
        " timeout=timedelta(minutes=2))\n"
        "def first(): ...\n"
        "@mn.function()\nasync def second(): ...\n"
    )
    assert document(inspect(write(tmp_path, main=main))) == {
        "functions": [
            {
                "function_name": "first",
                "resource_spec": {"virtual_cpus": 4.0, "memory_gbs": 16.0, "max_concurrency": 5},
                "execution_spec": {"max_retries": 1, "timeout_seconds": 120},
            },
            {
                "function_name": "second",
                "resource_spec": {"virtual_cpus": 0.1, "memory_gbs": 0.25, "max_concurrency": 10},
                "execution_spec": {"max_retries": 0, "timeout_seconds": 3600},
            },
        ]
    }


def test_what_the_code_prints_is_kept_apart(tmp_path: Path) -> None:
    write(tmp_path, main="import os\nprint('a', flush=True); os.system('echo b')\n" + DECLARED)
    result = inspect(tmp_path)
    assert document(result)["functions"]
    assert result.stderr == "a\nb\n"


def test_descriptor_three_takes_the_answer(tmp_path: Path) -> None:
    write(tmp_path, main="print('a')\n" + DECLARED)
    answer = tmp_path / "answer.json"
    result = inspect(tmp_path, command="{python} -m multinode._inspect {dir} 3>" + str(answer))
    assert result.stdout == "a\n"
    assert len(json.loads(answer.read_text())["functions"]) == 1


def test_no_main(tmp_path: Path) -> None:
    assert refusal(tmp_path).startswith("there is no main.py in the project's folder")


def test_no_folder(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nowhere") == f"there is no folder {tmp_path / 'nowhere'}\n"


def test_a_syntax_error_is_shown_where_it_is(tmp_path: Path) -> None:
    text = refusal(write(tmp_path, main=HEAD + "def f(x y):\n    return x\n"))
    assert 'File "main.py", line 3' in text
    assert "def f(x y):" in text
    assert "^" in text
    assert "SyntaxError" in text
    assert str(tmp_path) not in text
    assert "_worker" not in text


def test_an_error_in_a_module_of_the_project(tmp_path: Path) -> None:
    write(tmp_path, main=HEAD + "import other\n", other="1 / 0\n")
    text = refusal(tmp_path)
    assert 'File "main.py", line 3' in text
    assert 'File "other.py", line 1' in text
    assert text.endswith("ZeroDivisionError: division by zero\n")
    assert "importlib" not in text


def test_a_missing_package(tmp_path: Path) -> None:
    text = refusal(write(tmp_path, main=HEAD + "import not_there\n"))
    assert "ModuleNotFoundError: No module named 'not_there'" in text
    assert "requirements.txt" in text


def test_an_exit_while_importing(tmp_path: Path) -> None:
    text = refusal(write(tmp_path, main="raise SystemExit(0)\n"))
    assert "must not call sys.exit" in text


def test_a_parameter_that_is_not_allowed(tmp_path: Path) -> None:
    text = refusal(write(tmp_path, main=HEAD + "@mn.function(cpu=99)\ndef f(): ...\n"))
    assert 'File "main.py", line 3' in text
    assert "ParameterValidationError" in text


def test_no_multinode_object(tmp_path: Path) -> None:
    assert refusal(write(tmp_path, main="x = 1\n")).startswith("main.py has no Multinode object")


def test_no_function(tmp_path: Path) -> None:
    assert refusal(write(tmp_path, main=HEAD)).startswith("main.py declares no function")


def test_several_multinode_objects(tmp_path: Path) -> None:
    text = refusal(write(tmp_path, main=DECLARED + "other = Multinode()\n"))
    assert text.startswith("main.py has 2 Multinode objects (mn, other)")


def test_one_object_under_two_names(tmp_path: Path) -> None:
    write(tmp_path, main="from app import mn\nfrom app import mn as other\n", app=DECLARED)
    assert len(document(inspect(tmp_path))["functions"]) == 1


def test_the_main_guard_does_not_fire(tmp_path: Path) -> None:
    guard = "if __name__ == '__main__':\n    raise SystemExit\n"
    assert document(inspect(write(tmp_path, main=DECLARED + guard)))


def test_threads_do_not_keep_it_waiting(tmp_path: Path) -> None:
    main = DECLARED + "import threading\nthreading.Thread(target=threading.Event().wait).start()\n"
    assert document(inspect(write(tmp_path, main=main)))


def test_files_beside_main_are_found_by_relative_paths(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("x")
    assert document(inspect(write(tmp_path, main=DECLARED + "open('data.txt').close()\n")))


def test_wrong_use() -> None:
    result = inspect(Path("a b"))
    assert result.returncode == 2
    assert "usage:" in result.stderr


@pytest.mark.parametrize("name", ["json", "multinode", "typing"])
def test_modules_named_like_others_are_in_nobodys_way(tmp_path: Path, name: str) -> None:
    write(tmp_path, main=DECLARED, **{name: "raise RuntimeError"})
    assert document(inspect(tmp_path))
