"""Gaussian noise, and the majority over many draws of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.defense import Wrapper
from auditor.parameters import parameter

if TYPE_CHECKING:
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
    """

    name: ClassVar[str] = "smoothing"
    paper: ClassVar[str] = "Cohen et al., arXiv:1902.02918"
    random: ClassVar[bool] = True
    differentiable: ClassVar[bool] = True
    draws: ClassVar[int] = 100

    sigma: float = parameter(0.25, low=1e-6, help="standard deviation of the noise, in [0, 1] pixels")
    n0: int = parameter(100, low=1, help="noisy answers that choose the class that is certified")
    n: int = parameter(1000, low=1, help="noisy answers that bound its share")
    alpha: float = parameter(0.001, low=1e-12, high=0.5, help="chance that a sample's certificate is wrong, at most")

    def apply(self, x: Images) -> Images:
        return x + self.sigma * torch.randn_like(x)
