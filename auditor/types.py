"""The words that everything else uses.

Said once, checked once at the boundary, then trusted:

* a batch of images `x` is `(N, C, H, W)` float32 in `[0, 1]`; other domains are `(N, …)` float32 in `[0, 1]`;
* labels `y` are `(N,)` int64 in `[0, K)`; logits are `(N, K)` float32; per-sample results are `(N,)`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

    Images: TypeAlias = Tensor
    Labels: TypeAlias = Tensor
    Logits: TypeAlias = Tensor


class Norm(StrEnum):
    """How the size of a change is measured; what an attacker may do besides its size."""

    LINF = "linf"
    L2 = "l2"
    L1 = "l1"
    L0 = "l0"
    SPATIAL = "spatial"
    PATCH = "patch"
    CORRUPTION = "corruption"


AUTO = "auto"
"""How an infinite budget, which asks for the smallest change, is written."""


class Access(StrEnum):
    """What the attacker sees of the target."""

    GRADIENTS = "gradients"
    SCORES = "scores"
    LABELS = "labels"
    TRANSFER = "transfer"


class Goal(StrEnum):
    """What counts as success: any wrong class, or one chosen class."""

    UNTARGETED = "untargeted"
    TARGETED = "targeted"


@dataclass(frozen=True, kw_only=True)
class Threat:
    """What the attacker may do: a norm, a radius `eps` in units of `[0, 1]` pixels (l0: of entries), a goal.

    An infinite radius asks for the smallest change that succeeds.
    """

    norm: Norm
    eps: float
    goal: Goal = Goal.UNTARGETED

    @property
    def minimal(self) -> bool:
        """Whether the smallest change is looked for, and not any within a budget."""
        return math.isinf(self.eps)

    def project(self, candidate: Images, x: Images) -> Images:
        """The point of the ball around `x`, cut with the box `[0, 1]`, that is nearest to `candidate`.

        Exact for linf, l1 and l0; for l2 the scaled and clipped point, which lies in both sets. Shapes `(N, …)`.
        """
        from auditor.norms import project

        return project(candidate, x, self.norm, self.eps)

    def distance(self, candidate: Images, x: Images) -> Tensor:
        """Size of `candidate - x` per sample, `(N,)`, in this threat's norm."""
        from auditor.norms import distance

        return distance(candidate, x, self.norm)

    def __str__(self) -> str:
        return f"{self.norm} {AUTO if self.minimal else f'{self.eps:.6g}'}"
