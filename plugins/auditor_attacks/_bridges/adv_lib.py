"""adversarial-library (Rony & Ben Ayed)."""

from __future__ import annotations

import inspect
import math
import sys
import types
from typing import Any

import torch

from auditor.types import Norm
from auditor_attacks._bridges.base import Foreign, Problem, Search

_P = {Norm.LINF: math.inf, Norm.L2: 2.0, Norm.L1: 1.0, Norm.L0: 0.0}
_ALL = frozenset(_P)
# Norms of each; those that look inside a ball take its radius.
_NORMS = {
    "alma": frozenset({Norm.L2, Norm.L1}),
    "apgd": _ALL - {Norm.L0},
    "apgd_targeted": _ALL - {Norm.L0},
    "carlini_wagner_l2": frozenset({Norm.L2}),
    "carlini_wagner_linf": frozenset({Norm.LINF}),
    "ddn": frozenset({Norm.L2}),
    "df": frozenset({Norm.L2, Norm.LINF}),
    "fab": _ALL - {Norm.L0},
    "fga": frozenset({Norm.L0}),
    "fmn": _ALL,
    "pdgd": frozenset({Norm.L2}),
    "pdpgd": _ALL,
    "pgd_linf": frozenset({Norm.LINF}),
    "sdf": frozenset({Norm.L2}),
    "sigma_zero": frozenset({Norm.L0}),
    "str_attack": frozenset({Norm.L2}),
    "tr": frozenset({Norm.L2, Norm.LINF}),
    "vfga": frozenset({Norm.L0}),
}
_BALL = {"apgd": "eps", "apgd_targeted": "eps", "pgd_linf": "ε"}
_GIVEN = frozenset({"model", "inputs", "labels", "targeted", "norm", "p", "distance", "eps", "ε", "callback"})


def names() -> list[str]:
    """Its attacks that are measured by a norm."""
    return [name for name in _NORMS if hasattr(_attacks(), name)]


def foreign(name: str) -> Foreign:
    """One of them."""
    function = getattr(_attacks(), name)
    given = _GIVEN - {"eps"} if name == "tr" else _GIVEN
    return Foreign(
        name=name,
        signature=function,
        search=_search(function, _BALL.get(name)),
        norms=_NORMS[name],
        given=given | {"return_unsuccessful", "return_targets"},
        minimal=name not in _BALL,
    )


def _search(function: Any, radius: str | None) -> Search:
    def search(problem: Problem, parameters: dict[str, Any]) -> torch.Tensor:
        norm = problem.threat.norm
        takes = inspect.signature(function).parameters
        given = {"targeted": False, "norm": _P.get(norm), "p": _P.get(norm), "distance": str(norm)}
        known = {name: value for name, value in given.items() if name in takes}
        if radius is not None:
            known[radius] = problem.threat.eps
        found: torch.Tensor = function(problem.model, problem.x, problem.y, **(known | parameters))
        return found

    return search


def _attacks() -> types.ModuleType:
    try:
        import visdom  # noqa: F401
    except ImportError:
        # It is imported for plots that are never drawn here.
        sys.modules["visdom"] = types.ModuleType("visdom")
        vars(sys.modules["visdom"])["Visdom"] = object
        try:
            import adv_lib.attacks
        finally:
            del sys.modules["visdom"]
    import adv_lib.attacks

    module: types.ModuleType = adv_lib.attacks
    return module
