"""Images rebuilt from some of their pixels, as smooth as can be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from auditor.defense import Wrapper
from auditor.parameters import parameter

if TYPE_CHECKING:
    from auditor.types import Images


@dataclass(frozen=True, kw_only=True)
class TotalVariation(Wrapper):
    """Drops pixels by chance and rebuilds the image with the least total variation that is close to the rest.

    Solved is `min_z 1/2 ||kept * (z - x)||^2 + weight * TV(z)`, isotropic, in each channel by itself (Rudin et al.
    1992; primal and dual steps of Chambolle & Pock 2011).

    Helps: against small changes of single pixels, made without knowing of it.
    Blind to: an attacker who takes the identity for its gradient and averages over draws (Athalye et al.,
        arXiv:1802.00420).
    Cost: `steps` passes over the pixels in every answer; every judgement takes twenty where pixels are dropped.
    Use it when: the deployed pipeline denoises; by itself it mostly hides gradients.
    """

    name: ClassVar[str] = "tv"
    paper: ClassVar[str] = "arXiv:1711.00117"
    random: ClassVar[bool] = True
    images_only: ClassVar[bool] = True

    weight: float = parameter(0.03, low=0.0, help="of the total variation against the distance")
    keep: float = parameter(0.5, low=0.01, high=1.0, help="share of the pixels that are kept; 1 keeps all of them")
    steps: int = parameter(100, low=1, help="of the solver")

    def apply(self, x: Images) -> Images:
        kept = torch.rand_like(x[:, :1]) < self.keep if self.keep < 1.0 else torch.ones_like(x[:, :1])
        return smoothest(x, kept.to(x.dtype), self.weight, self.steps).clamp(0.0, 1.0)


def smoothest(x: Images, kept: Tensor, weight: float, steps: int) -> Images:
    """`argmin_z 1/2 ||kept * (z - x)||^2 + weight * TV(z)`; `x` is `(N, C, H, W)`, `kept` `(N, 1, H, W)` of 0 and 1."""
    step = 8.0**-0.5  # The differences have a norm of at most the root of 8.
    z = around = x
    dual = x.new_zeros(2, *x.shape)
    for _ in range(steps):
        dual = dual + step * differences(around)
        dual = dual / (dual.norm(dim=0) / max(weight, 1e-12)).clamp_min(1.0)
        before = z
        z = (z - step * adjoint(dual) + step * kept * x) / (1.0 + step * kept)
        around = 2.0 * z - before
    return z


def differences(z: Images) -> Tensor:
    """To the pixel below and to the one on the right, `(2, N, C, H, W)`; 0 at the edges."""
    made = z.new_zeros(2, *z.shape)
    made[0, :, :, :-1] = z.diff(dim=2)
    made[1, :, :, :, :-1] = z.diff(dim=3)
    return made


def adjoint(dual: Tensor) -> Images:
    """The transpose of `differences`."""
    made = torch.zeros_like(dual[0])
    made[:, :, :-1] -= dual[0, :, :, :-1]
    made[:, :, 1:] += dual[0, :, :, :-1]
    made[:, :, :, :-1] -= dual[1, :, :, :, :-1]
    made[:, :, :, 1:] += dual[1, :, :, :, :-1]
    return made
