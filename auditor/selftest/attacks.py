"""Attacks that do not do their work, as plugins; the self-test's cases name them, and no other command knows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.attack import Attack, Passes
from auditor.hookspecs import hookimpl
from auditor.types import Access, Norm

if TYPE_CHECKING:
    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat


@dataclass(frozen=True, kw_only=True)
class _Ours(Attack):
    """Sees gradients, within a linf ball."""

    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF})
    access: ClassVar[Access] = Access.GRADIENTS


@dataclass(frozen=True, kw_only=True)
class Idle(_Ours):
    """Returns the clean samples."""

    name: ClassVar[str] = "selftest-idle"

    def passes(self, num_classes: int) -> Passes:
        return Passes(1)

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        target.logits(x)
        return x


@dataclass(frozen=True, kw_only=True)
class Overshooting(_Ours):
    """One long step downhill, eight times as far as the budget allows."""

    name: ClassVar[str] = "selftest-overshooting"

    def passes(self, num_classes: int) -> Passes:
        return Passes(2, 1)

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        found = target.gradient(x, y, lambda logits, labels: -torch.gather(logits, 1, labels[:, None])[:, 0])
        return x + 8.0 * threat.eps * torch.tanh(found.gradient)


@dataclass(frozen=True, kw_only=True)
class Lost(_Ours):
    """Returns NaN."""

    name: ClassVar[str] = "selftest-nan"

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        return torch.full_like(x, torch.nan)


@dataclass(frozen=True, kw_only=True)
class Crashing(_Ours):
    """Raises an error."""

    name: ClassVar[str] = "selftest-crashing"

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        raise RuntimeError("this attack was made to crash")


@dataclass(frozen=True, kw_only=True)
class Forgetful(_Ours):
    """Climbs for ten steps and hands back the samples it began with, whatever it met on the way."""

    name: ClassVar[str] = "selftest-forgetful"

    def passes(self, num_classes: int) -> Passes:
        return Passes(10, 10)

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        point = x
        for _ in range(10):
            step = target.gradient(point, y, lambda logits, labels: -torch.gather(logits, 1, labels[:, None])[:, 0])
            point = threat.project(point + threat.eps / 4.0 * step.gradient.sign(), x)
        return x


ATTACKS = (Idle, Overshooting, Lost, Crashing, Forgetful)


@hookimpl
def auditor_attacks() -> tuple[type[Attack], ...]:
    """What the self-test registers for its own scans only."""
    return ATTACKS
