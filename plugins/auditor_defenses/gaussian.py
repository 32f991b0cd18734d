"""Training under Gaussian noise, for randomised smoothing: Cohen, Rosenfeld & Kolter, arXiv:1902.02918."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from auditor.defense import Recipe
from auditor.parameters import parameter
from auditor.types import Norm

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.harden.trainee import Trainee
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat


@dataclass(frozen=True, kw_only=True)
class Gaussian(Recipe):
    """Learns from samples with Gaussian noise on them, as much as a smoothed model will be asked under.

    Noise is not clipped to the box: the certificate of randomised smoothing is about noise that is not.

    Helps: the certificate of a model that is then smoothed with the same `sigma`, in l2; alone a little against
        small changes of any kind.
    Blind to: anything that aims. Without smoothing the model falls to every gradient attack of some size.
    Cost: none but the noise.
    Use it when: the model is to be smoothed. The largest radius that can be certified grows with `sigma`, as does
        what it costs in clean accuracy.
    """

    name: ClassVar[str] = "gaussian"
    paper: ClassVar[str] = "arXiv:1902.02918"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.L2, Norm.LINF, Norm.L1})
    within: ClassVar[bool] = False

    sigma: float = parameter(0.25, help="standard deviation of the noise, in [0, 1] pixels", low=0.0, high=10.0)

    def perturb(self, trainee: Trainee, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        return x + self.sigma * rng.normal(*x.shape[1:])

    def loss(self, trainee: Trainee, x: Images, adversarial: Images, y: Labels, threat: Threat, rng: Rng) -> Tensor:
        return trainee.cross_entropy(trainee(adversarial), y)
