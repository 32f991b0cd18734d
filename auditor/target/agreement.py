"""Whether the twin computes what the deployed model computes: asked of real samples before its gradients are followed.

A twin that is wrong cannot produce a wrong number, since every example is judged by the deployed model; it can make
attacks miss, which would flatter the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from auditor.check import Finding, Severity
from auditor.target import notices
from auditor.target.head import TINY, Head

if TYPE_CHECKING:
    from auditor.target.base import Target
    from auditor.types import Images, Logits

RELATIVE = 1e-3
"""Largest difference of a float model, as a share of the range of its logits."""

QUANTA = 2
"""Steps of its output that a quantised model may always differ by: one rounding more or less on either side."""

RELATIVE_QUANTISED = 0.05
"""Largest difference of a quantised model, as a share of the range, where that is more than the steps.

Roundings add up with depth: of a ResNet-18 in int8 ONNX Runtime differs from itself by 4 steps of 233 (1.7 %) between
its levels of optimisation, and the twin by 5, with every label the same.
"""

_BATCH = 32
_DISTINCT = 5  # fewer values may lie on a grid by chance
_STEPS = 4096  # more steps than that are no quantisation that one could count in


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far apart twin and deployed model are on `n` samples.

    Attributes:
        max_abs_diff: largest difference of two logits; infinite where only one of them is finite.
        scale: range of the deployed model's logits.
        tolerance: largest difference at which they still agree.
        label_flips: samples that they label differently though the deployed model's margin is above the tolerance.
        quantum: step of a quantised model's outputs, or None where they lie on no grid.
    """

    max_abs_diff: float
    scale: float
    tolerance: float
    label_flips: int
    n: int
    quantum: float | None

    @property
    def holds(self) -> bool:
        """Whether the twin may be trusted."""
        return self.max_abs_diff <= self.tolerance and not self.label_flips


def agreement(target: Target, x: Images) -> Agreement:
    """Compare the twin with the deployed model on samples `(N, …)` in `[0, 1]`, N at least 1.

    Raises:
        ModelError: there is no twin, or one of the two does not run.
    """
    with torch.no_grad():
        parts = [x[start : start + _BATCH].to(target.device) for start in range(0, len(x), _BATCH)]
        pairs = [(target.answer(part), target.differentiable(part)) for part in parts]
    deployed, twin = (torch.cat(side).double().cpu() for side in zip(*pairs, strict=True))
    quantised = bool(target.details.get("quantised"))
    deployed, twin = (_comparable(logits, target.head, quantised) for logits in (deployed, twin))
    low, high = (float(v) for v in deployed.nan_to_num(0.0, 0.0, 0.0).aminmax())
    # Logits that are all alike still carry rounding errors of their own size.
    scale = max(high - low, 1e-2 * max(abs(low), abs(high)), 1e-6)
    quantum = _lattice(deployed, scale) if quantised else None
    tolerance = max(scale * (RELATIVE_QUANTISED if quantised else RELATIVE), QUANTA * (1 + 1e-3) * (quantum or 0.0))
    same = (deployed == twin) | (deployed.isnan() & twin.isnan())
    difference = torch.where(same, 0.0, (deployed - twin).abs()).nan_to_num(torch.inf, torch.inf)
    best = deployed.topk(2, 1)
    flips = (best.indices[:, 0] != twin.argmax(1)) & (best.values[:, 0] - best.values[:, 1] > tolerance)
    return Agreement(
        max_abs_diff=float(difference.max()),
        scale=scale,
        tolerance=tolerance,
        label_flips=int(flips.sum()),
        n=len(deployed),
        quantum=quantum,
    )


def distrust(result: Agreement) -> Finding:
    """The finding for a twin that does not agree."""
    if result.quantum is None:
        measure = f"{result.max_abs_diff:.3g} at a range of {result.scale:.3g} (rounding: up to {result.tolerance:.3g})"
    else:
        steps = result.max_abs_diff / result.quantum
        measure = f"{steps:.1f} steps of its quantised output (rounding: up to {result.tolerance / result.quantum:.1f})"
    return Finding(
        code=notices.TWIN,
        severity=Severity.WARN,
        title="The differentiable form of the model disagrees with it: black-box attacks only",
        detail=f"On {result.n} samples the two differ by up to {measure}, and {result.label_flips} are labelled "
        "differently, so gradients of the one say little about the other and are not followed.",
        remedy="Audit the PyTorch model that the file was exported from as well, and report the file's operators.",
    )


def _comparable(logits: Logits, head: Head, quantised: bool) -> Tensor:
    """Logits without the differences that lie in float32's own limits, or in a quantised output's steps."""
    if head is Head.INDEPENDENT_PROBABILITIES:
        return logits.sigmoid() if quantised else logits.clamp(-10.0, 10.0)
    if head in (Head.PROBABILITIES, Head.BINARY_PROBABILITY):
        floor = TINY if head is Head.PROBABILITIES else 1e-5
        return logits.exp() if quantised else logits.clamp_min(torch.tensor(floor).log().item())
    return logits


def _lattice(values: Tensor, scale: float) -> float | None:
    """The step between values that all lie on a grid, or None where they do not."""
    ordered = values[values.isfinite()].sort().values
    gaps = ordered.diff()
    gaps = gaps[gaps > 1e-6 * scale]
    if len(gaps) < _DISTINCT:
        return None
    step = float(gaps.min())
    steps = (ordered - ordered[0]) / step
    on_grid = bool(((steps - steps.round()).abs() < 0.05).all())
    return step if on_grid and steps[-1] < _STEPS else None
