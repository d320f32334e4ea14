"""Imports modules when they are first used.

A worker imports this package at every start, and needs only what declares functions. The part
that talks to the API costs several times as much to import.
"""

from importlib import import_module
from typing import Any


class Later:
    """Stands for a module, and imports it when one of its names is asked for."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self._module), name)
