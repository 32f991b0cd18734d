"""Deep Defense: Yan, Guo & Zhang, Training DNNs with Improved Adversarial Robustness, arXiv:1803.00404."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.defense import Recipe, Training
from auditor.norms import per_sample
from auditor.parameters import parameter
from auditor.types import Norm

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.harden.trainee import Trainee
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Logits, Threat

_OVERSHOOT = 0.02
"""Share by which a border is passed, as in DeepFool."""
_FAR = 2.0
_TINY = 1e-12


@dataclass(frozen=True, kw_only=True)
class DeepDefense(Recipe):
    """Learns to need a larger change: DeepFool's perturbation is part of the loss, and is differentiated through.

    Where the model is right, the change that fools it shall grow; where it is wrong, the one that mends it shall
    shrink. Both are measured in units of eps, so that what the threat cannot reach anyway counts for little.

    Helps: the smallest change that fools the model, at hardly any cost in clean accuracy; meant for a trained model.
    Blind to: borders that are nearer than the first that DeepFool meets, so that `pgd` withstands large budgets better.
    Cost: per step 1 forward pass and `rivals` backward passes, and 1 more that is differentiated again.
    Use it when: a trained model shall become harder to fool at small budgets and must not lose clean accuracy.
    """

    name: ClassVar[str] = "deep-defense"
    paper: ClassVar[str] = "arXiv:1803.00404"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF, Norm.L2})
    # The loss is in units of eps, which must not vanish.
    training: ClassVar[Training] = Training(warmup=0.0)

    weight: float = parameter(15.0, help="weight of the regulariser (the paper's lambda)", low=0.0, high=1e3)
    right: float = parameter(1.0, help="how soon a change of right samples is large enough", low=0.0, high=1e3)
    wrong: float = parameter(1.0, help="how steeply a change of wrong samples is punished", low=0.0, high=1e3)
    steps: int = parameter(3, help="linearisations", low=1, high=100)
    rivals: int = parameter(4, help="wrong classes compared at each step, likeliest first", low=1, high=1000)

    def perturb(self, trainee: Trainee, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        return x

    def loss(self, trainee: Trainee, x: Images, adversarial: Images, y: Labels, threat: Threat, rng: Rng) -> Tensor:
        with torch.no_grad():
            right = trainee.still(x).argmax(1) == y
        # A budget that is still to grow may be 0.
        size = self.distance(trainee, x, y, right, threat.norm) / max(threat.eps, _TINY)
        # What is far on the wrong side is left to the cross-entropy, or it would drown all others.
        price = torch.exp(torch.where(right, -self.right * size, (self.wrong * size).clamp_max(_FAR)))
        return trainee.cross_entropy(trainee(x), y) + self.weight * price

    def distance(self, trainee: Trainee, x: Images, y: Labels, right: Tensor, norm: Norm) -> Tensor:
        """Size `(N,)` of the change to another answer where the model is `right`, to the label elsewhere.

        With its graph: through each linearisation, and through the points at which they are taken.
        """
        change = torch.zeros_like(x).requires_grad_()
        rows = torch.arange(len(x), device=x.device)
        for _ in range(self.steps):
            point = x + (1.0 + _OVERSHOOT) * change
            logits = trainee.still(point)
            answer = logits.argmax(1)
            rival = torch.where(right, self._nearest(logits, point, y, norm), y)
            gap = logits[rows, torch.where(right, y, answer)] - logits[rows, rival]
            (slope,) = torch.autograd.grad(gap.sum(), point, create_graph=True)
            # What has crossed its border moves no further.
            step = torch.where((answer == y) == right, gap / _dual(slope, norm), 0.0)
            change = change - per_sample(step, x) * _unit(slope, norm)
        return change.flatten(1).abs().amax(1) if norm is Norm.LINF else _length(change)

    def _nearest(self, logits: Logits, point: Images, y: Labels, norm: Norm) -> Labels:
        """The wrong class whose border is nearest if the model is linear, `(N,)`, among the likeliest ones."""
        others = logits.detach().scatter(1, y[:, None], -torch.inf)
        rivals = others.topk(min(self.rivals, logits.shape[1] - 1), 1).indices
        if rivals.shape[1] == 1:
            return rivals[:, 0]
        gaps = logits.gather(1, y[:, None]) - logits.gather(1, rivals)
        far = []
        for gap in gaps.unbind(1):
            (slope,) = torch.autograd.grad(gap.sum(), point, retain_graph=True)
            far.append(gap.detach() / _dual(slope, norm))
        return rivals.gather(1, torch.stack(far, 1).argmin(1, keepdim=True)).squeeze(1)


def _length(change: Tensor) -> Tensor:
    """l2 per sample, `(N,)`, whose slope is finite at 0 too."""
    return (change.flatten(1).square().sum(1) + _TINY).sqrt()


def _dual(slope: Tensor, norm: Norm) -> Tensor:
    """By how much a change of size 1 moves a linear function with this gradient at most, `(N,)`."""
    return slope.flatten(1).abs().sum(1) + _TINY if norm is Norm.LINF else _length(slope)


def _unit(slope: Tensor, norm: Norm) -> Tensor:
    """The change of size 1 that does."""
    return slope.sign() if norm is Norm.LINF else slope / per_sample(_length(slope), slope)
