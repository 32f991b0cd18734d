"""Gaussian noise, the majority over many draws of it, and what that proves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from auditor.defense import Certified, Wrapper
from auditor.parameters import parameter
from auditor.result.statistics import beta_quantile

if TYPE_CHECKING:
    from auditor.rng import Rng
    from auditor.types import Images


@dataclass(frozen=True, kw_only=True)
class Smoothing(Wrapper):
    """Adds Gaussian noise to every value; the class counts that most of many noisy answers name ("smoothing").

    Helps: provably. Where the leading class has at least the share `p` of noisy answers, no change of an L2 size below
        `sigma * Phi^-1(p)` makes another class lead; the certificate bounds `p` from `n` answers, and is wrong for a
        sample with a probability of at most `alpha`. The record holds it.
    Blind to: changes far beyond `sigma`; what one noisy answer alone says; and a model that was not trained on such
        noise, which hardly recognises anything behind it (the recipe `gaussian` trains one).
    Cost: `n0 + n` forward passes a sample for the certificate, and a hundred for every judgement.
    Use it when: a proof is worth many answers for each sample; train the model with `gaussian` first.
    """

    name: ClassVar[str] = "smoothing"
    paper: ClassVar[str] = "arXiv:1902.02918"
    random: ClassVar[bool] = True
    differentiable: ClassVar[bool] = True
    draws: ClassVar[int] = 100
    certifies: ClassVar[bool] = True

    sigma: float = parameter(0.25, low=1e-6, help="standard deviation of the noise, in [0, 1] pixels")
    n0: int = parameter(100, low=1, help="noisy answers that choose the class that is certified")
    n: int = parameter(1000, low=1, help="noisy answers that bound its share")
    alpha: float = parameter(0.001, low=1e-12, high=0.5, help="chance that a sample's certificate is wrong, at most")

    @property
    def level(self) -> float:
        """As the paper's PREDICT: a wrong class has to lead beyond chance."""
        return self.alpha

    def apply(self, x: Images) -> Images:
        return x + self.sigma * torch.randn_like(x)

    def certify(self, answer: Callable[[Images], Tensor], x: Images, rng: Rng) -> Certified:
        """The paper's CERTIFY: `n0` answers choose a class, `n` others bound its share from below."""
        chosen = self._votes(answer, x, rng.fork("choose"), self.n0).argmax(1)
        votes = self._votes(answer, x, rng.fork("bound"), self.n).gather(1, chosen[:, None]).squeeze(1)
        radius = torch.tensor([self.radius(k) for k in votes.tolist()], dtype=torch.float64, device=x.device)
        return Certified(prediction=torch.where(radius > 0.0, chosen, -1), radius=radius)

    def radius(self, votes: int) -> float:
        """The L2 radius that so many of `n` votes prove; 0 where they prove nothing.

        The share of all noisy answers is at least the lower end of the one-sided interval of Clopper & Pearson at
        `1 - alpha`.
        """
        share = beta_quantile(self.alpha, votes, self.n - votes + 1) if votes else 0.0
        return self.sigma * NormalDist().inv_cdf(share) if share > 0.5 else 0.0

    def _votes(self, answer: Callable[[Images], Tensor], x: Images, rng: Rng, count: int) -> Tensor:
        """How often noisy answers name each class, `(N, K)`."""
        votes = torch.zeros(0)
        for _ in range(count):
            logits = answer(x + self.sigma * rng.normal(*x.shape[1:]))
            votes = votes if len(votes) else torch.zeros_like(logits, dtype=torch.int64)
            votes.scatter_add_(1, logits.argmax(1, keepdim=True), torch.ones_like(votes[:, :1]))
        return votes
