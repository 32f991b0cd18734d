"""The floor: what plain noise of the full size does, as far from the sample as an example may lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from auditor.norms import per_sample
from auditor.rng import Rng
from auditor.types import Norm

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.types import Images, Threat

FLOORS = (Norm.LINF, Norm.L2, Norm.L1)
"""Norms in which noise of a given size is drawn."""


def noisy(threat: Threat, x: Images, indices: Tensor, seed: int) -> Images:
    """Samples `(N, …)` with noise: a random sign for every entry in linf, a point uniform on the sphere in l2 and l1;
    then brought within threat and box. What is drawn hangs on `indices` alone."""
    rng, shape = Rng.keyed(seed, "noise of transfer", indices.to(x.device)), x.shape[1:]
    match threat.norm:
        case Norm.LINF:
            change = rng.signs(*shape)
        case Norm.L2:
            change = rng.normal(*shape)
        case _:
            # Exponential sizes with random signs, scaled to length 1, are uniform on the l1 sphere.
            change = -torch.log1p(-rng.uniform(*shape)) * rng.signs(*shape)
    if threat.mask is not None:
        change = change * threat.mask.to(x)
    size = threat.distance(change, torch.zeros_like(change)).clamp_min(1e-12).to(x.dtype)
    origin = threat.origin(x)
    return threat.render(threat.project(origin + change * per_sample(threat.eps / size, change), origin), x)
