"""torchattacks (Kim, arXiv:2010.01950)."""

from __future__ import annotations

import inspect
from typing import Any

import torch

from auditor.types import Access, Norm
from auditor_attacks._bridges.base import Build, Foreign, Problem, Search, scaled

_NAMES = {Norm.LINF: "Linf", Norm.L2: "L2", Norm.L1: "L1"}
# The rest work in linf, or take the norm.
_NORMS = {
    "PGDL2": Norm.L2,
    "PGDRSL2": Norm.L2,
    "CW": Norm.L2,
    "DeepFool": Norm.L2,
    "EADL1": Norm.L1,
    "EADEN": Norm.L1,
    "JSMA": Norm.L0,
    "OnePixel": Norm.L0,
    "Pixle": Norm.L0,
    "SparseFool": Norm.L0,
}
_MINIMAL = {"CW", "DeepFool", "EADL1", "EADEN", "SparseFool"}
_SCORES = {"OnePixel", "Pixle", "SPSA", "Square"}
# Noise without a budget, nothing at all, several attacks in one, or training on data of its own.
_OTHER = {"Attack", "GN", "VANILA", "MultiAttack", "LGV"}
_GIVEN = frozenset({"self", "model", "norm", "eps", "max_epsilon", "n_classes", "seed", "verbose"})


def names() -> list[str]:
    """Its attacks that look inside a norm ball."""
    import torchattacks

    everything = vars(torchattacks).items()
    return sorted(name for name, value in everything if isinstance(value, type) and name not in _OTHER)


def foreign(name: str) -> Foreign:
    """One of them."""
    import torchattacks

    cls = getattr(torchattacks, name)
    takes = inspect.signature(cls.__init__).parameters
    several = {Norm.LINF, Norm.L2} | ({Norm.L1} if name == "FAB" else set())
    return Foreign(
        name=name,
        signature=cls.__init__,
        search=_search(_build(cls)),
        build=_build(cls),
        norms=frozenset(several if "norm" in takes else {_NORMS.get(name, Norm.LINF)}),
        given=_GIVEN,
        access=Access.SCORES if name in _SCORES else Access.GRADIENTS,
        minimal=name in _MINIMAL,
    )


def _build(cls: Any) -> Build:
    def build(problem: Problem, parameters: dict[str, Any]) -> Any:
        takes = inspect.signature(cls.__init__).parameters
        given = {
            "norm": _NAMES.get(problem.threat.norm),
            "eps": problem.threat.eps,
            "max_epsilon": problem.threat.eps,
            "n_classes": problem.num_classes,
            "seed": problem.seed,
            "verbose": False,
            **scaled(cls.__init__, problem.threat.eps, "eps", ("alpha",)),
        }
        known = {name: value for name, value in given.items() if name in takes}
        return cls(problem.model, **(known | parameters))

    return build


def _search(build: Build) -> Search:
    def search(problem: Problem, parameters: dict[str, Any]) -> torch.Tensor:
        found: torch.Tensor = build(problem, parameters)(problem.x, problem.y)
        return found

    return search
