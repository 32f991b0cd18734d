"""The peers' attacks that look for the smallest change, with the steps that their authors give them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from auditor.types import Norm
from benchmarks.attacks.common import Problem, Search, adv_lib, art_search, foolbox_search, torchattacks_search

P = {Norm.LINF: float("inf"), Norm.L2: 2, Norm.L1: 1, Norm.L0: 0}


@dataclass(frozen=True)
class Peer:
    """An attack of a tool under the name that the tables give it."""

    tool: str
    attack: str
    search: Search
    parameters: dict[str, Any] = field(default_factory=dict)


def _adv(module: str, function: str, **options: Any) -> Search:
    def search(model: nn.Module, task: Problem) -> Tensor:
        found: Tensor = getattr(adv_lib(module), function)(model, task.x, task.y, **options)
        return found

    return search


def _lib(attack: str, module: str, function: str, fixed: dict[str, Any] | None = None, **options: Any) -> Peer:
    return Peer("adv-lib", attack, _adv(module, function, **(fixed or {}), **options), options)


def _box(attack: str, name: str, **options: Any) -> Peer:
    return Peer("foolbox", attack, foolbox_search(lambda attacks: getattr(attacks, name)(**options)), options)


def _torch(attack: str, name: str, fixed: dict[str, Any] | None = None, **options: Any) -> Peer:
    make: Callable[[Any, nn.Module], Any] = lambda ta, model: getattr(ta, name)(model, **(fixed or {}), **options)  # noqa: E731
    return Peer("torchattacks", attack, torchattacks_search(make), options)


def _art(attack: str, name: str, **options: Any) -> Peer:
    fixed = {"batch_size": 50, "verbose": False}
    return Peer(
        "ART", attack, art_search(lambda evasion, model: getattr(evasion, name)(model, **options, **fixed)), options
    )


def _unrounded(peer: Peer) -> Peer:
    """Without the changes up to 1e-6 that ART's way through tanh and back leaves in every entry, and ART counts none
    of."""

    def search(model: nn.Module, task: Problem) -> Tensor:
        found = peer.search(model, task)
        return torch.where((found - task.x).abs() <= 1e-6, task.x, found)

    return replace(peer, search=search)


def _common(norm: Norm) -> tuple[Peer, ...]:
    """What adversarial-library has in all norms, and FMN of Foolbox."""
    p = {"norm": P[norm]}
    fmn = {Norm.LINF: "LInfFMNAttack"}.get(norm, f"{norm.upper()}FMNAttack")
    return (
        _lib("fmn", "fast_minimum_norm", "fmn", p, steps=1000),
        _lib("pdpgd", "primal_dual_gradient_descent", "pdpgd", p, num_steps=500),
        _box("fmn", fmn, steps=1000),
    )


def _fab(norm: Norm) -> tuple[Peer, ...]:
    module, p = "fast_adaptive_boundary.fast_adaptive_boundary", {"norm": P[norm]}
    return (
        _lib("fab", module, "fab", p, n_iter=100),
        _lib("fab-t", module, "fab", {**p, "targeted_restarts": True}, n_iter=100, restarts=9),
    )


PEERS: dict[Norm, tuple[Peer, ...]] = {
    Norm.L2: (
        *_common(Norm.L2),
        *_fab(Norm.L2),
        _lib("ddn", "decoupled_direction_norm", "ddn", {"levels": None}, steps=1000),
        _lib("alma", "augmented_lagrangian", "alma", {"distance": "l2", "init_lr_distance": 0.1}, num_steps=1000),
        _lib("pdgd", "primal_dual_gradient_descent", "pdgd", num_steps=500),
        _lib("deepfool", "deepfool", "df"),
        _lib("superdeepfool", "superdeepfool", "sdf"),
        _lib("cw", "carlini_wagner.l2", "carlini_wagner_l2", binary_search_steps=9, max_iterations=200),
        _box("deepfool", "L2DeepFoolAttack"),
        _box("ddn", "DDNAttack", steps=1000),
        _box("cw", "L2CarliniWagnerAttack", binary_search_steps=9, steps=200),
        _art("deepfool", "DeepFool"),
    ),
    Norm.LINF: (
        *_common(Norm.LINF),
        *_fab(Norm.LINF),
        _lib("deepfool", "deepfool", "df", {"norm": torch.inf}),
        _lib("cw-linf", "carlini_wagner.linf", "carlini_wagner_linf", max_iterations=100),
        _box("deepfool", "LinfDeepFoolAttack"),
    ),
    Norm.L1: (
        *_common(Norm.L1),
        *_fab(Norm.L1),
        _lib("alma", "augmented_lagrangian", "alma", {"distance": "l1", "init_lr_distance": 0.5}, num_steps=1000),
        _box("ead", "EADAttack", binary_search_steps=9, steps=200, decision_rule="L1"),
        _torch("ead", "EADL1", binary_search_steps=9, max_iterations=200),
    ),
    Norm.L0: (
        *_common(Norm.L0),
        _lib("sigma-zero", "sigma_zero", "sigma_zero", num_steps=1000),
        _lib("vfga", "stochastic_sparse_attacks", "vfga", {"targeted": False}),
        _torch("sparsefool", "SparseFool"),
        _torch("jsma", "JSMA"),
        _unrounded(_art("cw-l0", "CarliniL0Method")),
    ),
}
