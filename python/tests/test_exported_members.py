"""What this package offers, by name: a change here is a change of its interface."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import multinode
from multinode import errors
from multinode.api_client import error_types


def test_members_of_the_package() -> None:
    assert sorted(multinode.__all__) == [
        "Child",
        "Children",
        "Function",
        "Invocation",
        "InvocationIdsList",
        "InvocationStatus",
        "Multinode",
        "get_deployed_function",
        "get_deployed_function_async",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "multinode",
        "multinode.errors",
        "multinode.api_client.error_types",
        "multinode.core.children",
        "multinode.core.invocation",
    ],
)
def test_all_names_the_whole_interface(name: str) -> None:
    module = importlib.import_module(name)
    assert sorted(module.__all__) == sorted(set(module.__all__))
    for member in module.__all__:
        assert getattr(module, member).__doc__, member
    with pytest.raises(AttributeError):
        _ = module.nonsense


def test_errors_has_every_error() -> None:
    assert set(error_types.__all__) - {"resolve_error"} <= set(errors.__all__)


def test_the_package_is_typed() -> None:
    assert (Path(multinode.__file__).parent / "py.typed").exists()


def test_versions_agree() -> None:
    project = Path(__file__).parent.parent / "pyproject.toml"
    assert f'version = "{multinode.__version__}"' in project.read_text(encoding="utf-8")


def test_importing_the_package_stays_cheap() -> None:
    script = (
        "import sys, multinode\n"
        "mn = multinode.Multinode()\n"
        "def f(): ...\n"
        "mn.function()(f)\n"
        "slow = {'httpx', 'jsonpickle', 'asyncio', 'numpy', 'dataclasses', 'logging'}\n"
        "sys.exit(', '.join(slow & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_the_worker_imports_needs_no_httpx() -> None:
    script = "import sys, multinode._serialization; sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
