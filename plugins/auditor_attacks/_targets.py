"""Which wrong class to try first: by logit, or by the linear form of the network as in MALT, arXiv:2407.02240."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from auditor.types import Norm
from auditor_attacks import _losses

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import View
    from auditor.types import Images, Labels

ORDERS = ("logits", "linear")
# Of so many classes per target, likeliest by their logits, the linear form picks the nearest.
_CANDIDATES = 3
_DUAL = {Norm.LINF: 1.0, Norm.L2: 2.0, Norm.L1: torch.inf}
_SMALLEST = torch.finfo(torch.float32).tiny


def passes(order: str, targets: int, num_classes: int) -> tuple[int, int]:
    """Forward and backward passes that `ordered` takes."""
    candidates = min(_CANDIDATES * targets, num_classes - 1)
    return (1, 0) if order == "logits" or candidates < 2 else (1 + candidates, candidates)


def ordered(target: View, x: Images, y: Labels, norm: Norm, order: str, count: int) -> Tensor:
    """The `count` likeliest wrong classes at `x`, likeliest first, `(N, count)`."""
    wrong = target.logits(x).scatter(1, y[:, None], -torch.inf)
    likeliest = wrong.argsort(dim=1, descending=True, stable=True)
    candidates = min(_CANDIDATES * count, target.num_classes - 1)
    if order == "logits" or candidates < 2:
        return likeliest[:, :count]
    likeliest = likeliest[:, :candidates]
    gaps = []
    for rank in range(candidates):
        answer = target.gradient(x, y, _losses.gap(likeliest[:, rank]))
        slope = torch.linalg.vector_norm(answer.gradient.flatten(1), _DUAL[norm], dim=1)
        gaps.append(answer.loss / slope.clamp_min(_SMALLEST))
    nearest = torch.stack(gaps, 1).argsort(dim=1, descending=True, stable=True)
    return likeliest.gather(1, nearest[:, :count])
