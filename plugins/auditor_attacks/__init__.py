"""First-party attacks, offered through the same door as anyone's: what the modules of this package define."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.hookspecs import hookimpl

if TYPE_CHECKING:
    from auditor.attack import Attack


@hookimpl
def auditor_attacks() -> list[type[Attack]]:
    """The attacks of this package, by name. A module whose name begins with an underscore defines none."""
    import importlib
    import pkgutil

    names = [module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")]
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    found = [value for module in modules for value in vars(module).values() if _defined(value, module.__name__)]
    return sorted(found, key=lambda attack: attack.name)


@hookimpl
def auditor_find_attack(name: str) -> type[Attack] | None:
    """Attacks of other libraries, such as `foolbox:LinfPGD`."""
    from auditor_attacks._bridges import find

    return find(name)


def _defined(value: object, module: str) -> bool:
    from auditor.attack import Attack

    return isinstance(value, type) and issubclass(value, Attack) and value.__module__ == module
