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

FLOORS = (Norm.LINF, Norm.L2, Norm.L1, Norm.L0)
"""Norms in which noise of a given size is drawn."""


def noisy(threat: Threat, x: Images, indices: Tensor, seed: int) -> Images:
    """Samples `(N, …)` with noise: a random sign for every entry in linf, a point uniform on the sphere in l2 and l1,
    in l0 as many entries as may change at either end of the box; then brought within threat and box. What is drawn
    hangs on `indices` alone."""
    rng, shape = Rng.keyed(seed, "noise of transfer", indices.to(x.device)), x.shape[1:]
    match threat.norm:
        case Norm.LINF:
            change = rng.signs(*shape)
        case Norm.L2:
            change = rng.normal(*shape)
        case Norm.L0:
            change = _entries(rng.uniform(*shape), rng.signs(*shape), threat)
        case _:
            # Exponential sizes with random signs, scaled to length 1, are uniform on the l1 sphere.
            change = -torch.log1p(-rng.uniform(*shape)) * rng.signs(*shape)
    if threat.mask is not None:
        change = change * threat.mask.to(x)
    size = threat.distance(change, torch.zeros_like(change)).clamp_min(1e-12).to(x.dtype)
    origin = threat.origin(x)
    return threat.render(threat.project(origin + change * per_sample(threat.eps / size, change), origin), x)


def _entries(drawn: Tensor, signs: Tensor, threat: Threat) -> Tensor:
    """A sign for the entries that were dealt most, as many as may change; of a mask's alone."""
    allowed = drawn if threat.mask is None else drawn * threat.mask.to(drawn)
    most = allowed.flatten(1).topk(min(int(threat.eps), drawn[0].numel())).indices
    chosen = torch.zeros_like(drawn).flatten(1).scatter_(1, most, 1.0)
    return chosen.view_as(signs) * signs
