"""Accessories that fool a camera: Sharif et al., Accessorize to a Crime, doi:10.1145/2976749.2978392."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.attack import Attack, Passes
from auditor.parameters import parameter
from auditor.steps import unit_mean
from auditor.types import Access, Norm
from auditor_attacks import _losses

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat


@dataclass(frozen=True, kw_only=True)
class Sharif(Attack):
    """Colours what the mask leaves free, such as spectacle frames, smoothly and in colours that a printer has.

    Finds: whether something that a person could wear or hold is enough, to be someone else (`--goal
        impersonate:NAME`) or nobody known (`--goal dodge`).
    Blind to: where else such a thing could be worn; give the mask another place.
    Cost: `steps` backward and `steps + 1` forward passes.
    Use it when: the attacker stands in front of the camera. `--mask frames.png --norm linf --eps 0.5`.

    The paper raises the loss less the total variation and less the non-printability score, here with a palette that
    has every combination of so many levels of each channel.
    """

    name: ClassVar[str] = "sharif"
    paper: ClassVar[str] = "doi:10.1145/2976749.2978392"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF, Norm.L2})
    access: ClassVar[Access] = Access.GRADIENTS
    images_only: ClassVar[bool] = True

    steps: int = parameter(300, help="steps", low=1, high=1_000_000)
    step_size: float = parameter(0.1, help="length of the first step, in pixel values", low=0.0, high=1.0)
    momentum: float = parameter(0.4, help="share of earlier steps that is kept, the paper's 0.4", low=0.0, high=1.0)
    smoothness: float = parameter(0.15, help="weight of total variation, the paper's 0.15", low=0.0, high=1000.0)
    printability: float = parameter(0.25, help="weight of the non-printability score", low=0.0, high=1000.0)
    levels: int = parameter(3, help="levels of each channel in the palette of printable colours", low=2, high=8)

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=self.steps + 1, backwards=self.steps)

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        loss = _losses.untargeted("margin")
        palette = self._palette(x)
        points, velocity = x, torch.zeros_like(x)
        for step in range(self.steps):
            ascent = unit_mean(target.gradient(points, y, loss).gradient)
            if self.smoothness:
                ascent = ascent - self.smoothness * unit_mean(_slope(points, total_variation))
            if self.printability:
                ascent = ascent - self.printability * unit_mean(
                    _slope(points, lambda image: unprintable(image, palette))
                )
            velocity = self.momentum * velocity + ascent
            length = self.step_size * (1.0 - step / self.steps)
            points = threat.project(points + length * velocity.sign(), x)
        return points

    def _palette(self, x: Images) -> Tensor:
        """Every combination of the levels, `(colours, C)`."""
        level = torch.linspace(0.1, 0.9, self.levels, device=x.device)
        return torch.stack([axis.flatten() for axis in torch.meshgrid(*[level] * x.shape[1], indexing="ij")], 1)


def total_variation(image: Images) -> Tensor:
    """The sum over pixels of the distance to their right and lower neighbours, `(N,)`."""
    right, down = image[..., :-1, 1:] - image[..., :-1, :-1], image[..., 1:, :-1] - image[..., :-1, :-1]
    return (right.square() + down.square() + 1e-12).sqrt().flatten(1).sum(1)


def unprintable(image: Images, palette: Tensor) -> Tensor:
    """The sum over pixels of the distance to the nearest printable colour, `(N,)`.

    The paper multiplies the distances to all printable colours, which is 0 at the same places and vanishes numerically
    for a palette of any size.
    """
    far = (image[:, None] - palette[None, :, :, None, None]).square().sum(2)
    return (far.amin(1) + 1e-12).sqrt().flatten(1).sum(1)


def _slope(points: Images, of: object) -> Tensor:
    with torch.enable_grad():
        leaf = points.detach().requires_grad_(True)
        (slope,) = torch.autograd.grad(of(leaf).sum(), leaf)  # type: ignore[operator]
    return slope.detach()
