"""Every attack in cheap configurations, for the tests of what all of them promise; a module for each family."""

from __future__ import annotations

import importlib
import pkgutil

from auditor.attack import Attack

_FAMILIES = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
ATTACKS: tuple[Attack, ...] = tuple(attack for family in _FAMILIES for attack in family.ATTACKS)
TOGETHER: tuple[Attack, ...] = tuple(attack for family in _FAMILIES for attack in getattr(family, "TOGETHER", ()))
"""Attacks for which samples are not independent of each other, by intention."""
