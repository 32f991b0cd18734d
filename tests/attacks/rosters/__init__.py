"""Every attack in cheap configurations, for the tests of what all of them promise; a module for each family."""

from __future__ import annotations

import importlib
import pkgutil

from auditor.attack import Attack

ATTACKS: tuple[Attack, ...] = tuple(
    attack
    for module in pkgutil.iter_modules(__path__)
    for attack in importlib.import_module(f"{__name__}.{module.name}").ATTACKS
)
