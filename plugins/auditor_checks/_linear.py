"""A model whose weakness is known: two classes, one straight border, and the exact budget that crosses it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from auditor.types import Norm

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.types import Images, Labels

_RIDGE = 1e-3
_LEAD = 10.0
_HALVINGS = 60


@dataclass(frozen=True)
class Border:
    """A linear classifier of two classes: logits `(0, w x + b)`.

    Attributes:
        weight: `(D,)` float64.
    """

    weight: Tensor
    bias: Tensor

    @classmethod
    def fitted(cls, x: Images, y: Labels) -> Border:
        """Ridge regression of the labels `(N,)`, 0 or 1, on the pixels of `x` `(N, …)`, solved in its dual form.

        Its scores are scaled so that the largest lead is 10 logits: no loss vanishes.
        """
        flat, signs = x.flatten(1).double(), 2.0 * y.double() - 1.0
        centre = flat.mean(0)
        moved = flat - centre
        gram = moved @ moved.T
        ridge = _RIDGE * gram.diagonal().mean().clamp_min(1e-12) * torch.eye(len(gram)).to(gram)
        weight = moved.T @ torch.linalg.solve(gram + ridge, signs - signs.mean())
        scores = moved @ weight + signs.mean()
        scale = _LEAD / scores.abs().amax().clamp_min(1e-12)
        return cls(scale * weight, scale * (signs.mean() - centre @ weight))

    def __call__(self, x: Images) -> Tensor:
        """Logits `(N, 2)`."""
        score = x.flatten(1) @ self.weight.to(x.dtype) + self.bias.to(x.dtype)
        return torch.stack([torch.zeros_like(score), score], 1)

    def lead(self, x: Images, y: Labels) -> Tensor:
        """By how much the true class leads, `(N,)` float64; negative where the sample is misclassified."""
        return (2.0 * y.double() - 1.0) * (x.flatten(1).double() @ self.weight + self.bias)

    def reach(self, x: Images, y: Labels, norm: Norm, eps: float) -> Tensor:
        """The most that a change within the ball and within `[0, 1]` takes from the lead, `(N,)`: exact.

        Every pixel moves the score by its weight, so the worst change is known: the corner of the box in linf, the
        dearest pixels first in l1 and l0, and in l2 the multiple of the weights, cut at the box, that fills the ball.
        """
        flat = x.flatten(1).double()
        down = (1.0 - 2.0 * y.double())[:, None] * self.weight
        room = torch.where(down > 0.0, 1.0 - flat, flat)
        worth = down.abs()
        match norm:
            case Norm.LINF:
                return (worth * room.clamp_max(eps)).sum(1)
            case Norm.L0:
                return (worth * room).sort(1, descending=True).values[:, : int(eps)].sum(1)
            case Norm.L1:
                order = worth.argsort(1, descending=True)
                sizes = room.gather(1, order)
                left = (eps - (sizes.cumsum(1) - sizes)).clamp_min(0.0)
                return (worth.gather(1, order) * torch.minimum(sizes, left)).sum(1)
            case _:
                return (worth * _filled(worth, room, eps)).sum(1)


def _filled(worth: Tensor, room: Tensor, eps: float) -> Tensor:
    """The change of length `eps` in l2 that is worth most, `min(t worth, room)`, `(N, D)`; all of `room` where that is
    no longer."""
    low = torch.zeros(len(worth), 1, dtype=worth.dtype, device=worth.device)
    # The factor at which the smallest weight that counts fills its pixel is never needed beyond double precision.
    high = torch.full_like(low, 1.0) / worth.clamp_min(1e-9 * worth.amax()).amin(1, keepdim=True).clamp_min(1e-300)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        short = torch.minimum(middle * worth, room).norm(dim=1, keepdim=True) < eps
        low, high = torch.where(short, middle, low), torch.where(short, high, middle)
    return torch.minimum(low * worth, room)
