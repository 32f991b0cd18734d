"""Foolbox (Rauber et al., arXiv:1707.04131)."""

from __future__ import annotations

import math
from typing import Any

import torch

from auditor.types import Access, Norm
from auditor_attacks._bridges.base import Build, Foreign, Problem, Search

_P = {Norm.LINF: math.inf, Norm.L2: 2.0, Norm.L1: 1.0, Norm.L0: 0.0}
_PREFIXES = {"Linf": Norm.LINF, "L2": Norm.L2, "L1": Norm.L1, "L0": Norm.L0}
# These want samples of their own to start from, a target class, or no ball at all.
_OTHER = {"Attack", "BinarizationRefinementAttack", "DatasetAttack", "GenAttack", "SpatialAttack"}
_LABELS = ("Boundary", "HopSkipJump", "Pointwise", "Noise", "Inversion", "Contrast", "Blur")


def names() -> list[str]:
    """Its attacks that look inside a norm ball."""
    import foolbox

    everything = vars(foolbox.attacks).items()
    return sorted(name for name, value in everything if isinstance(value, type) and name not in _OTHER)


def foreign(name: str) -> Foreign:
    """One of them."""
    import foolbox

    cls = getattr(foolbox.attacks, name)
    minimal = issubclass(cls, foolbox.attacks.base.MinimizationAttack)
    labels = any(part in name for part in _LABELS)
    return Foreign(
        name=name,
        signature=cls.__init__,
        search=_search(_build(cls), minimal),
        build=_build(cls),
        norms=_norms(cls, name),
        given=frozenset({"self", "args", "kwargs", "distance", "constraint", "init_attack", "tensorboard"}),
        access=Access.LABELS if labels else Access.GRADIENTS,
        minimal=minimal,
    )


def _norms(cls: Any, name: str) -> frozenset[Norm]:
    if name == "HopSkipJumpAttack":
        return frozenset({Norm.LINF, Norm.L2})
    if name == "PointwiseAttack":
        return frozenset({Norm.L0, Norm.L1, Norm.L2})
    p = getattr(cls.distance, "p", None)
    if p is not None:
        return frozenset(norm for norm, value in _P.items() if value == p)
    prefixed = [norm for prefix, norm in _PREFIXES.items() if name.startswith(prefix)]
    return frozenset(prefixed or _P)


def _build(cls: Any) -> Build:
    def build(problem: Problem, parameters: dict[str, Any]) -> Any:
        import inspect

        import foolbox

        takes = inspect.signature(cls.__init__).parameters
        if "distance" in takes:
            parameters = {"distance": foolbox.distances.LpDistance(_P[problem.threat.norm]), **parameters}
        if "constraint" in takes:
            parameters = {"constraint": str(problem.threat.norm), **parameters}
        return cls(**parameters)

    return build


def _search(build: Build, minimal: bool) -> Search:
    def search(problem: Problem, parameters: dict[str, Any]) -> torch.Tensor:
        import foolbox

        model = foolbox.PyTorchModel(problem.model, bounds=(0, 1), device=problem.x.device)
        _, found, _ = build(problem, parameters)(
            model, problem.x, problem.y, epsilons=None if minimal else float(problem.threat.eps)
        )
        return torch.as_tensor(found)

    return search
