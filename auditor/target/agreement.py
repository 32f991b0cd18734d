"""Whether the twin computes what the deployed model computes: asked of real samples before its gradients are followed.

A twin that is wrong cannot produce a wrong number, since every example is judged by the deployed model; it can make
attacks miss, which would flatter the model. Asked are the logits, the order of the best classes, and the gradients.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from auditor.check import Finding, Severity
from auditor.rng import Rng
from auditor.target import notices
from auditor.target.head import TINY, Head
from auditor.target.slopes import Slopes, compare_slopes

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

RESTLESS = 2.0
"""Or this times what the deployed model's own answers move by when its inputs move by a millionth.

Each rounding that falls the other way moves later ones. EfficientNet-B0 in int8 with random weights changes its answers
by 19 % of their range on inputs that are the same to six digits, and no twin can be closer to it than it is to itself.
"""

PROBABILITY_STEP = 1 / 256
"""Step of probabilities that a quantised model rounds, where too few differ to count in: its twin has none."""

_PROBABILITIES = (Head.PROBABILITIES, Head.INDEPENDENT_PROBABILITIES, Head.BINARY_PROBABILITY)
_BATCH = 32
_NUDGE = 2.0**-20
_RANKED = 5  # best classes whose order is compared
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
        rank_flips: samples on which two neighbours among the five best classes are in the other order though the
            deployed model tells them apart by more than the tolerance.
        quantum: step of a quantised model's outputs, or None where they lie on no grid.
        slopes: what was found about the gradients; None where the answers disagree already, or where the network takes
            whole numbers.
    """

    max_abs_diff: float
    scale: float
    tolerance: float
    label_flips: int
    rank_flips: int
    n: int
    quantum: float | None
    slopes: Slopes | None = None

    @property
    def answers_agree(self) -> bool:
        """Whether logits and ranking are the same."""
        return self.max_abs_diff <= self.tolerance and not self.label_flips and not self.rank_flips

    @property
    def holds(self) -> bool:
        """Whether the twin may be trusted."""
        return self.answers_agree and (self.slopes is None or self.slopes.holds)

    @property
    def summary(self) -> str:
        """In one sentence, without a full stop."""
        verdict = "agrees" if self.holds else "DISAGREES"
        apart = f"{self.max_abs_diff / self.scale:.1e} of their range apart" if self.max_abs_diff else "the same"
        text = f"{verdict} on {self.n} samples: logits {apart}"
        if self.label_flips or self.rank_flips:
            text += f", {self.label_flips} labels and {self.rank_flips} rankings differ"
        return text if self.slopes is None else f"{text}; {self.slopes.summary}"


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
    rounded = PROBABILITY_STEP if quantised and target.head in _PROBABILITIES else 0.0
    step = QUANTA * (1 + 1e-3) * (quantum or 0.0)
    tolerance = max(scale * (RELATIVE_QUANTISED if quantised else RELATIVE), step, rounded)
    if quantised and float((deployed - twin).abs().max()) > tolerance:
        tolerance = max(tolerance, RESTLESS * float((_nudged(target, parts) - deployed).abs().max().nan_to_num(0.0)))
    same = (deployed == twin) | (deployed.isnan() & twin.isnan())
    difference = torch.where(same, 0.0, (deployed - twin).abs()).nan_to_num(torch.inf, torch.inf)
    best = deployed.topk(min(_RANKED, deployed.shape[1]), 1)
    told_apart = -best.values.diff(dim=1) > tolerance
    swapped = told_apart & (twin.gather(1, best.indices).diff(dim=1) > 0)
    result = Agreement(
        max_abs_diff=float(difference.max()),
        scale=scale,
        tolerance=tolerance,
        label_flips=int(((best.indices[:, 0] != twin.argmax(1)) & told_apart[:, 0]).sum()),
        rank_flips=int(swapped.any(1).sum()),
        n=len(deployed),
        quantum=quantum,
    )
    return replace(result, slopes=compare_slopes(target, x)) if result.answers_agree else result


def _nudged(target: Target, parts: list[Images]) -> Tensor:
    """Comparable answers of a quantised model to inputs that are the same to six digits."""
    answers = []
    for number, part in enumerate(parts):
        signs = Rng.keyed(number, "nudge", torch.arange(len(part), device=part.device)).signs(*part.shape[1:])
        answers.append(target.answer((part * (1.0 + _NUDGE * signs)).clamp(0.0, 1.0)))
    return _comparable(torch.cat(answers).double().cpu(), target.head, quantised=True)


def distrust(result: Agreement) -> Finding:
    """The finding for a twin that does not agree."""
    return Finding(
        code=notices.TWIN,
        severity=Severity.WARN,
        title="The differentiable form of the model disagrees with it: black-box attacks only",
        detail=_gradients_differ(result) if result.answers_agree else _answers_differ(result),
        remedy="Audit the PyTorch model that the file was exported from as well, and report the file's operators.",
        evidence={
            "largest difference": result.max_abs_diff,
            "range of the answers": result.scale,
            "labelled differently": result.label_flips,
            "samples": result.n,
        },
    )


def _answers_differ(result: Agreement) -> str:
    if result.quantum is None:
        measure = f"{result.max_abs_diff:.3g} at a range of {result.scale:.3g} (rounding: up to {result.tolerance:.3g})"
    else:
        steps = result.max_abs_diff / result.quantum
        measure = f"{steps:.1f} steps of its quantised output (rounding: up to {result.tolerance / result.quantum:.1f})"
    return (
        f"On {result.n} samples the two differ by up to {measure}, {result.label_flips} are labelled differently and "
        f"{result.rank_flips} rank the best classes differently, so gradients of the one say little about the other "
        "and are not followed."
    )


def _gradients_differ(result: Agreement) -> str:
    said = "" if result.slopes is None else result.slopes.summary
    return (
        f"On {result.n} samples the two answer alike, but the gradients are not those of the deployed model, which "
        f"small changes of its inputs tell: {said}. They are not followed."
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
