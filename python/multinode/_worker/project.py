"""Loads the user's project: a folder with a ``main.py``."""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multinode import Multinode

MAIN = "main"


class ProjectError(Exception):
    """The project is not laid out as it has to be; the text says what to do."""


def load_main(project_dir: str) -> ModuleType:
    """Import ``main.py`` as the module ``main``, with its folder first on the path.

    The file is loaded by its path, so that nothing else of that name is taken for
    it, and ``__name__`` is never ``"__main__"``. Raises ProjectError without a
    main.py, and whatever the import of the user's code raises.
    """
    project_dir = os.path.abspath(project_dir)
    path = os.path.join(project_dir, "main.py")
    if not os.path.isfile(path):
        raise ProjectError(
            "there is no main.py in the project's folder: "
            "create one that makes a Multinode() object"
        )
    sys.path.insert(0, project_dir)
    sys.argv = [path]
    loader = SourceFileLoader(MAIN, path)
    spec = ModuleSpec(MAIN, loader, origin=path)
    spec.has_location = True
    module = ModuleType(MAIN)
    module.__file__ = path
    module.__loader__ = loader
    module.__spec__ = spec
    module.__package__ = ""
    # In place before it runs: other modules of the project may import it.
    sys.modules[MAIN] = module
    try:
        loader.exec_module(module)
    except BaseException:
        sys.modules.pop(MAIN, None)
        raise
    # A module may put another object in its own place.
    return sys.modules.get(MAIN, module)


def find_multinode(module: ModuleType) -> Multinode:
    """Return the one Multinode object among the names of the module.

    One object under several names is one. Raises ProjectError for none or several.
    """
    from multinode import Multinode

    found: dict[int, tuple[Multinode, list[str]]] = {}
    for name, value in vars(module).items():
        if isinstance(value, Multinode):
            found.setdefault(id(value), (value, []))[1].append(name)
    if not found:
        raise ProjectError(
            "main.py has no Multinode object: "
            "add `mn = Multinode()` and decorate functions with `@mn.function()`"
        )
    if len(found) > 1:
        names = ", ".join(sorted(names[0] for _, names in found.values()))
        raise ProjectError(
            f"main.py has {len(found)} Multinode objects ({names}): use one for all functions"
        )
    return next(iter(found.values()))[0]
