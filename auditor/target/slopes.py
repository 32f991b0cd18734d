"""Whether the twin's gradients are slopes of the deployed model: asked of its answers, not of any autograd.

A random direction `d` of signs, a random scalar `f` of the logits: the twin says `<grad f, d>`, the deployed model says
`(f(z + h d) - f(z - h d)) / 2h`, in float64 from the answers on. Rounding spoils small steps, kinks and curvature spoil
large ones, and how much of either a network has is nobody's to assume. So steps grow by four each time, and the pair
of neighbours `h` and `4h` that tells the most similar slopes is taken. How far they are apart holds both errors:
rounding like `1/h` (most of it of the smaller step), curvature like `h^2` (most of it of the larger one). A kink right
at `z` shows in neither, but in the difference of the slopes of the two sides. The larger of the two is the doubt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from auditor.rng import Rng
from auditor.target.head import Head
from auditor.target.through import Past

if TYPE_CHECKING:
    from auditor.target.base import Target
    from auditor.types import Images

STEPS = (2.0**-13, 2.0**-11, 2.0**-9, 2.0**-7, 2.0**-5)
"""Changes of every pixel, in `[0, 1]`, smallest first."""

SETTLED = 0.005
"""Doubt, as a share of the slopes, at which no better step is looked for."""

JUDGED = 0.06
"""Samples with more doubt about their slopes are not held against the twin."""

ROUNDING, SAFETY = 0.01, 4.0
"""A sample's tolerance is `ROUNDING + SAFETY * doubt`: at most 0.25 where it is judged at all."""

_SAMPLES, _DIRECTIONS, _BATCH = 4, 4, 32
_NUDGE = 2.0**-20
_LIKELY = 15.0  # in logits below the best: logarithms of smaller probabilities are rounding
_SATURATED = 10.0  # in logits either way: beyond, one minus a sigmoid is rounding


@dataclass(frozen=True, kw_only=True)
class Slopes:
    """How well the twin's gradients predict the deployed model's answers.

    Attributes:
        judged: samples on which the slopes are known well enough.
        n: samples asked about.
        error: largest over the judged samples of `|twin - deployed| / |deployed|`, norms over the directions.
        tolerance: what that sample may differ by.
        factor: the twin's slopes over the deployed model's, 1 where they are the same; mean over the judged samples.
        factor_tolerance: how far from 1 that may be.
        uphill: of a quantised model, whose answers have steps and no slopes: samples on which following the sign of the
            twin's gradient raises the deployed model's answer. Judged are samples on which it moves the answer by more
            than roundings do. None for other models.
    """

    judged: int
    n: int
    error: float = 0.0
    tolerance: float = 0.0
    factor: float = 1.0
    factor_tolerance: float = 0.0
    uphill: int | None = None

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against the gradients."""
        if self.uphill is not None:
            return self.uphill > 0 or not self.judged
        return self.error <= self.tolerance and abs(self.factor - 1.0) <= self.factor_tolerance

    @property
    def summary(self) -> str:
        """In words, to be continued by a full stop."""
        if not self.judged:
            return "gradients not judged: rounding or kinks hide the slopes of its answers"
        if self.uphill is not None:
            return f"following the gradient raises the quantised answer on {self.uphill} of {self.judged} samples"
        return (
            f"gradients are {self.factor:.3f} times the slopes of its answers and up to {self.error:.1e} of them apart "
            f"(limit {self.tolerance:.1e}; {self.judged} of {self.n} samples judged)"
        )


def compare_slopes(target: Target, x: Images) -> Slopes | None:
    """Compare the twin's gradients with the deployed model on a few of the samples `(N, …)` in `[0, 1]`.

    None where the network takes whole numbers, of which there are no small steps.

    Raises:
        ModelError: there is no twin, or one of the two does not run.
    """
    if not target.input_dtype.is_floating_point:
        return None
    chosen = torch.linspace(0, len(x) - 1, min(len(x), _SAMPLES)).long()
    rng = Rng.keyed(0, "slopes", torch.arange(len(chosen), device=target.device))
    # Pulled in, so that no step leaves [0, 1]; with noise, since the best of a flat area is a tie, which has no slope.
    z = STEPS[-1] + (1.0 - 4.0 * STEPS[-1]) * x[chosen].to(target.device)
    z = z + rng.uniform(*z.shape[1:], high=2.0 * STEPS[-1])
    weights = _resolved(target, z) * rng.signs(target.num_classes or target.answer(z[:1]).shape[1])
    gradient = _gradient(target, z, weights)
    directions = rng.signs(_DIRECTIONS, *z.shape[1:])
    if target.details.get("quantised"):
        return _uphill(target, z, weights, gradient, directions)
    predicted = (gradient[:, None] * directions).flatten(2).double().sum(2).cpu()
    slopes, doubt = _measured(target, z, weights, directions)
    known = doubt <= JUDGED
    return _judged(predicted[known], slopes[known], doubt[known], len(z))


def _judged(predicted: Tensor, slopes: Tensor, doubt: Tensor, n: int) -> Slopes:
    """The verdict on slopes `(M, D)` that are known to within the share `doubt`, `(M,)`, of their norm."""
    if not len(slopes):
        return Slopes(judged=0, n=n)
    size = slopes.norm(dim=1)
    error = ((predicted - slopes).norm(dim=1) / size).nan_to_num(torch.inf, torch.inf)
    tolerance = ROUNDING + SAFETY * doubt
    worst = int((error / tolerance).argmax())
    factors = (predicted * slopes).sum(1) / size**2
    # Errors of the slopes point anywhere, so that along the slopes themselves, and over samples, they average out.
    spread = float(doubt.square().mean().sqrt()) / slopes.numel() ** 0.5
    return Slopes(
        error=float(error[worst]),
        tolerance=float(tolerance[worst]),
        factor=float(factors.mean()),
        factor_tolerance=ROUNDING + SAFETY * spread,
        judged=len(slopes),
        n=n,
    )


def _measured(target: Target, z: Tensor, weights: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Slopes `(N, D)` of the deployed model, and for each sample the doubt about them, as a share of their norm."""
    centre = _weighted(target.answer(z), weights).cpu()[:, None]
    known = torch.zeros(directions.shape[:2], dtype=torch.float64)
    doubt = torch.full((len(z),), torch.inf, dtype=torch.float64)
    previous = kink = known
    for step in STEPS:
        up, down = _moved(target, z, step * directions, weights), _moved(target, z, -step * directions, weights)
        slopes = (up - down) / (2.0 * step)
        if step > STEPS[0]:
            size = slopes.norm(dim=1)
            apart = torch.maximum((slopes - previous).norm(dim=1), kink) / size
            better = apart.nan_to_num(torch.inf) < doubt
            known[better], doubt[better] = previous[better], apart[better]
            # Past the best pair, larger steps only get worse.
            if (doubt <= SETTLED).all() or not better.any():
                break
        previous, kink = slopes, (up - 2.0 * centre + down).norm(dim=1) / (2.0 * step)
    return known, doubt


def _uphill(target: Target, z: Tensor, weights: Tensor, gradient: Tensor, directions: Tensor) -> Slopes:
    """Rounding has no slope, but along a useful gradient the answer must rise somewhere."""
    way = gradient.sign()[:, None]
    steps = [_moved(target, z, h * way, weights) - _moved(target, z, -h * way, weights) for h in STEPS[2:]]
    rise = torch.cat(steps, 1)
    # What a millionth of the inputs changes as well, roundings did.
    nudged = _moved(target, z, _NUDGE * directions, weights) - _weighted(target.answer(z), weights).cpu()[:, None]
    noise = SAFETY * nudged.abs().amax(1, keepdim=True)
    judged, risen = (rise.abs() > noise).any(1), (rise > noise).any(1)
    return Slopes(judged=int(judged.sum()), n=len(z), uphill=int(risen.sum()))


def _gradient(target: Target, z: Tensor, weights: Tensor) -> Tensor:
    """The twin's gradient of the weighted sum of its logits, zero where nothing connects the two."""
    z = z.clone().requires_grad_()
    with target.under(through=Past.NOTHING):
        logits = target.differentiable(z)
    if not logits.requires_grad:
        return torch.zeros_like(z)
    (gradient,) = torch.autograd.grad(_weighted(logits, weights).sum(), z, allow_unused=True)
    return torch.zeros_like(z) if gradient is None else gradient


def _moved(target: Target, z: Tensor, moves: Tensor, weights: Tensor) -> Tensor:
    """`f(z + move)` of the deployed model for moves `(N, D, …)`: `(N, D)` float64 on the CPU."""
    count = moves.shape[1]
    rows, signs = (z[:, None] + moves).flatten(0, 1), weights.repeat_interleave(count, 0)
    parts = [slice(start, start + _BATCH) for start in range(0, len(rows), _BATCH)]
    return torch.cat([_weighted(target.answer(rows[part]), signs[part]) for part in parts]).cpu().view(len(z), count)


def _weighted(logits: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums in float64; an infinity of weight zero counts for nothing."""
    return torch.where(weights == 0, 0.0, logits.double() * weights).sum(1)


def _resolved(target: Target, z: Tensor) -> Tensor:
    """1 for logits in which float32 can tell a small step, 0 for others, as `(N, K)`."""
    logits = target.answer(z)
    match target.head:
        case Head.PROBABILITIES:
            kept = logits >= logits.amax(1, keepdim=True) - _LIKELY
        case Head.INDEPENDENT_PROBABILITIES | Head.BINARY_PROBABILITY:
            kept = logits.abs() <= _SATURATED
        case _:
            kept = logits.isfinite()
    return kept.to(logits.dtype)
