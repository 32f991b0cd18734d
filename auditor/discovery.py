"""What the modules of a package define, so that a plugin of many parts needs no list of them."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterable
from typing import Any


def defined(package: str, path: Iterable[str]) -> list[type[Any]]:
    """The concrete classes that the package's own modules define; `path` is its `__path__`.

    A module whose name begins with an underscore is passed over.
    """
    names = [module.name for module in pkgutil.iter_modules(path) if not module.name.startswith("_")]
    modules = [importlib.import_module(f"{package}.{name}") for name in names]
    return [
        value
        for module in modules
        for value in vars(module).values()
        if inspect.isclass(value) and value.__module__ == module.__name__ and not inspect.isabstract(value)
    ]
