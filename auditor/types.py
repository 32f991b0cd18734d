"""The words that everything else uses.

Said once, checked once at the boundary, then trusted:

* a batch of images `x` is `(N, C, H, W)` float32 in `[0, 1]`; other domains are `(N, …)` float32 in `[0, 1]`;
* labels `y` are `(N,)` int64 in `[0, K)`; logits are `(N, K)` float32; per-sample results are `(N,)`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.spaces import Space

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
    FLOW = "flow"
    PATCH = "patch"
    CORRUPTION = "corruption"


AUTO = "auto"
"""How an infinite budget, which asks for the smallest change, is written."""


DRAWS = 20
"""Answers over which a model is judged that answers at random, and attacks average if nobody says otherwise (as many
as AutoAttack's `rand` version, arXiv:2003.01690)."""


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

    Attributes:
        target: under a targeted goal the class wanted; None for the class that the model finds least likely.
        mask: which pixels may change, bool, shaped like a sample or one channel of it; None for all.
        rotation: in degrees, translation: in pixels, the limits of which a `spatial` budget is a share.
        corruptions: the names of those that there are to choose from under `corruption`, whose budget is a severity.
    """

    norm: Norm
    eps: float
    goal: Goal = Goal.UNTARGETED
    target: int | None = None
    mask: Tensor | None = field(default=None, compare=False, repr=False)
    rotation: float = 30.0
    translation: float = 3.0
    corruptions: tuple[str, ...] = ()

    @property
    def minimal(self) -> bool:
        """Whether the smallest change is looked for, and not any within a budget."""
        return math.isinf(self.eps)

    @property
    def plain(self) -> bool:
        """Whether points are images, so that nothing has to be rendered."""
        return self.mask is None and self.norm not in (Norm.SPATIAL, Norm.FLOW, Norm.CORRUPTION)

    @property
    def space(self) -> Space:
        """What the attacker's points are; see `auditor.spaces`."""
        from auditor.spaces import space_of

        return space_of(self)

    def origin(self, x: Images) -> Tensor:
        """The points that change nothing: the samples `(N, …)` themselves under a norm ball."""
        return x if self.plain else self.space.origin(x)

    def render(self, points: Tensor, x: Images) -> Images:
        """The images that the points make of the samples `x`."""
        return points if self.plain else self.space.render(points, x) if len(x) else x

    def project(self, candidate: Tensor, x: Tensor) -> Tensor:
        """The point within the budget around the origin `x` that is nearest to `candidate`; for balls, in the box too.

        Exact for linf, l1 and l0; for l2 the scaled and clipped point, which lies in both sets. Shapes `(N, …)`.
        """
        return self.space.project(candidate, x, self.eps)

    def distance(self, candidate: Tensor, x: Tensor) -> Tensor:
        """Size of the change from the origin `x` to `candidate` per sample, `(N,)`, in units of the budget."""
        return self.space.distance(candidate, x)

    def __str__(self) -> str:
        return f"{self.norm} {AUTO if self.minimal else f'{self.eps:.6g}'}"
