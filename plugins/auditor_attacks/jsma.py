"""Saliency map attack: Papernot, McDaniel, Jha, Fredrikson, Celik & Swami, arXiv:1511.07528."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.attack import Attack, Passes
from auditor.engine.view import LOOK_EVERY
from auditor.parameters import parameter
from auditor.types import Access, Norm
from auditor_attacks._smallest import Smallest
from auditor_attacks._targets import ordered

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import Loss, View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat

# Pairs are sought among so many entries, those that would raise the target most over the other classes.
_SHORTLIST = 128
# Below any salience: pairs that raise the class, or lower the rest, but not both, come after all that do.
_FAR = 1e6


@dataclass(frozen=True, kw_only=True)
class JSMA(Attack):
    """Drives two entries at a time to the end of their range: the pair that most raises one class and lowers the rest.

    It goes for the likeliest wrong classes in turn. Where the paper's maps count slopes, these count slopes times the
    way that is left to the end of the range, up or down, and the rest are summed up as the logarithm of their
    exponentials, so that classes out of the question do not count.

    Finds: which few entries decide, with no parameter to tune.
    Blind to: small changes, since entries go all the way; models whose gradients are masked.
    Cost: at most `targets * steps * 2` backward passes, as many forward passes, and `targets + 1` more.
    Use it when: you look for the classic l0 baseline; `sigma-zero` finds fewer entries.
    """

    name: ClassVar[str] = "jsma"
    paper: ClassVar[str] = "arXiv:1511.07528"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.L0})
    access: ClassVar[Access] = Access.GRADIENTS
    minimal: ClassVar[bool] = True

    steps: int = parameter(60, help="pairs of entries changed at most", low=1, high=100_000)
    targets: int = parameter(3, help="wrong classes tried, likeliest first", low=1, high=100_000)

    def passes(self, num_classes: int) -> Passes:
        targets = min(self.targets, num_classes - 1)
        return Passes(forwards=1 + targets * (2 * self.steps + 1), backwards=targets * 2 * self.steps)

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        best = Smallest(x, y, threat)
        order = ordered(target, x, y, threat.norm, "logits", self.targets)
        for goal in order.unbind(1):
            self._raise(target, x, y, goal, best, threat)
        return best.inside()

    def _raise(self, target: View, x: Images, y: Labels, goal: Labels, best: Smallest, threat: Threat) -> None:
        """Change pairs towards one class per sample until any wrong one is reached, or more changed than must be."""
        rows = torch.arange(len(x), device=x.device)
        point, free = x.clone(), torch.ones_like(x, dtype=torch.bool).flatten(1)
        most = min(self.steps, math.ceil(min(threat.eps, free.shape[1]) / 2))
        for step in range(most):
            if step % LOOK_EVERY == 0 or x.device.type == "cpu":
                # Whoever changed as much as the smallest example, this search's own too, is done.
                keep = (~free).sum(1) < best.size[rows]
                rows, point, free = rows[keep], point[keep], free[keep]
                view = target.select(rows)
            if not len(rows):
                return
            labels, goals = y[rows], goal[rows]
            wanted = view.gradient(point, labels, _logit(goals))
            others = view.gradient(point, labels, _others(goals))
            best.see(point, wanted.logits, rows)
            point, free = _paired(point, free, wanted.gradient, others.gradient)
        # The last pair is judged with the first look at the next class, or by the engine.
        best.see(point, target.select(rows).logits(point), rows)


def _paired(point: Images, free: Tensor, up: Tensor, rest: Tensor) -> tuple[Images, Tensor]:
    """Points with the best pair of free entries at the end of their range, and what is free then.

    `up` and `rest` are the slopes of the class in question and of all others together.
    """
    flat, up, rest = point.flatten(1), up.flatten(1), rest.flatten(1)
    end = (up > 0.0).to(flat.dtype)
    way = (end - flat) * free
    gain, loss = up * way, rest * way
    pool = (gain - loss).topk(min(_SHORTLIST, flat.shape[1]), 1).indices
    gain, loss = gain.gather(1, pool), loss.gather(1, pool)
    both, cost = gain[:, :, None] + gain[:, None, :], loss[:, :, None] + loss[:, None, :]
    # On the diagonal an entry stands alone, and counts once.
    alone = 1.0 - 0.5 * torch.eye(pool.shape[1], device=flat.device)
    both, cost = both * alone, cost * alone
    salience = torch.where((both > 0.0) & (cost < 0.0), -both * cost, both - cost - _FAR)
    best = salience.flatten(1).argmax(1)
    pair = torch.stack([best // pool.shape[1], best % pool.shape[1]], 1)
    chosen = pool.gather(1, pair)
    return (
        flat.scatter(1, chosen, end.gather(1, chosen)).view_as(point),
        free.scatter(1, chosen, False),
    )


def _logit(classes: Labels) -> Loss:
    """The logit of one class per sample."""
    return lambda logits, y: logits.gather(1, classes[:, None]).squeeze(1)


def _others(classes: Labels) -> Loss:
    """The logits of all other classes together, those that are out of the question aside."""
    return lambda logits, y: logits.scatter(1, classes[:, None], -torch.inf).logsumexp(1)
