"""Were the gradients of any use to the attacks?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from auditor.check import Finding, Severity, plot
from auditor.engine.ledger import margins
from auditor.errors import ModelError
from auditor.rng import Rng
from auditor.target.chance import same_draws
from auditor.types import Norm
from auditor_checks._base import share
from auditor_checks._inquiry import InquiryCheck, climbs, more_than_few
from auditor_checks._outdone import counted
from auditor_checks._ways import FEW, Way, asking_labels, asking_scores, following_gradients, from_there, gone_on

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.inquiry import Inquiry
    from auditor.engine.scene import Scene
    from auditor.engine.view import Loss

_MOST, _LEAST = 64, 8
_EACH = 5
_ZERO = 0.05
_LED = 0.75
_DENORMAL = torch.finfo(torch.float32).tiny
_STEP = 2.0 / 255.0
_LENGTHS = (0.125, 0.25, 0.5, 1.0, 2.0)
"""Of the steps that are drawn, in units of the one that is judged."""


class Slope(NamedTuple):
    """Of some samples: where the gradient is zero, too small for float32 or not finite; and where a step of signs along
    it raises the margin more than random signs do, `(n,)` bool each."""

    lost: np.ndarray
    led: np.ndarray

    @property
    def useful(self) -> bool:
        """Whether an attack can follow it: that it leads nowhere may happen to one sample, and to few."""
        n = len(self.lost)
        return not more_than_few(int(self.lost.sum()), n, _ZERO) and not more_than_few(
            n - int(self.led.sum()), n, 1.0 - _LED
        )

    def said(self) -> str:
        n = len(self.lost)
        return (
            f"the gradient is zero or lost in rounding on {share(int(self.lost.sum()), n)} samples, and a step along "
            f"it raises the margin more than random signs on {share(int(self.led.sum()), n)}"
        )


class UselessGradients(InquiryCheck):
    """The gradients that attacks followed led somewhere.

    Seen: on samples that stand, the gradient of each loss that the plan's attacks climbed is zero or lost in rounding,
        or a step along it raises the margin no more than a random step does.
    Means: gradient attacks walked at random, and what stands was hardly attacked. Gradients vanish in saturated
        outputs, are zero behind rounding, and shattered where a layer is steep and flat by turns (Athalye et al.,
        arXiv:1802.00420).
    Measured: on 8 to 64 samples that stand, for each loss of the plan, the share of gradients whose largest entry is
        zero, not finite, or smaller than a normal float32 number, and the share of samples on which signs along the
        gradient (half the budget in linf, 2/255 elsewhere) raise the margin more than random signs; where that is
        doubted, and there are gradients, it is drawn over the length of the step, from an eighth to twice as much.
        Then, in this order: a loss that does not depend on the scale of the logits, in the model's own precision;
        gradients that pass rounding, signs and saturated outputs; these from further starts; queries from scratch;
        labels alone. Each is run on all that stand where it promises something, with twice the effort each time until
        that breaks no more; what falls is counted.
    Threshold: more than 5 % lost gradients under every loss of the plan, or less than 75 % of steps that lead uphill;
        it takes two samples (proposed). The doubt stays, and makes the audit inconclusive, where no way is found that
        works, or it does not come to an end.
    Do: give the model in float32 without its softmax, or without the steps that break its gradients; `--bpda` follows
        gradients past rounding from the beginning.
    """

    code: ClassVar[str] = "AUD221"
    settles: ClassVar[frozenset[str]] = frozenset({"AUD113"})
    title: ClassVar[str] = "Gradients were of no use"

    def ask(self, scene: Scene, inquiry: Inquiry) -> Iterator[Finding]:
        if inquiry.target.twin is None or not climbs(inquiry):
            return
        losses = {run.parameters.get("loss", "margin") for run in climbs(inquiry)}
        names = sorted({_plain(name) for name in losses})
        some = inquiry.affordable(inquiry.standing, _EACH * inquiry.batches.ring.draws * len(names), _MOST)
        if len(some) < _LEAST:
            return
        slopes = {name: slope(inquiry, some, name) for name in names}
        for name, measured in slopes.items():
            lost, led = int(measured.lost.sum()), int(measured.led.sum())
            inquiry.show(**{f"{name}: lost gradients": lost, f"{name}: steps uphill": led, "samples": len(some)})
        if any(measured.useful for measured in slopes.values()):
            return
        told = "; ".join(f"with {name}, {measured.said()}" for name, measured in slopes.items())
        inquiry.doubt(f"On samples that stand, {told}.")
        best = max(slopes, key=lambda name: int(slopes[name].led.sum()))
        if not slopes[best].lost.all():
            inquiry.show(plot=_drawn(inquiry, some, best))
        promising, settled = self._searched(inquiry, some)
        said = f"{inquiry.doubts[0]} {_heard(promising)} {counted(inquiry)}"
        if promising and settled:
            yield self.mended(said)
            return
        yield self.finding(
            Severity.INCONCLUSIVE,
            said,
            "Give the model without what hides its gradients, or run --suite thorough --bpda.",
        )

    def _searched(self, inquiry: Inquiry, some: np.ndarray) -> tuple[list[Way], bool]:
        """The ways that worked, and whether all that stand were searched until that paid no more."""
        norm, promising, settled = inquiry.threat.norm, [], True
        for way in following_gradients(norm):
            if _led_by(inquiry, some, way):
                promising.append(way)
                settled &= gone_on(inquiry, way)
        settled &= from_there(inquiry, promising)
        # Gradients that lead uphill are no proof that they lead to examples.
        for blind in (asking_scores(norm), asking_labels(norm)):
            if blind is None:
                continue
            settled &= gone_on(inquiry, blind)
            # What it did for the plan, or for a check before this one, tells as much.
            broken = sum(run.broken for run in inquiry.runs if run.attack == blind.attack)
            if more_than_few(broken, inquiry.total, FEW) or not len(inquiry.standing):
                promising.append(blind)
            if promising:
                break
        return promising, settled


def _heard(promising: list[Way]) -> str:
    if not promising:
        return "Neither other losses and gradients nor queries got further."
    return f"It was gone on with {', then '.join(way.said for way in promising)}."


def _led_by(inquiry: Inquiry, some: np.ndarray, way: Way) -> bool:
    """Whether this way's gradients are of use."""
    standing = np.intersect1d(some, inquiry.standing)
    if len(standing) < 2:
        return False
    with inquiry.target.under(**way.conditions(inquiry)):
        return slope(inquiry, standing, _plain(way.parameters.get("loss", "margin"))).useful


def _plain(loss: str) -> str:
    """The untargeted loss of a kind: what cannot be named here is looked at as the margin."""
    kind = str(loss).removesuffix("-targeted")
    return kind if kind in _LOSSES else "margin"


def slope(inquiry: Inquiry, on: np.ndarray, loss: str) -> Slope:
    """What the gradient of this loss is worth on some samples."""
    lost, led = [], []
    for part in _parts(inquiry, on):
        x, y = inquiry.fetch(part)
        gradient = _gradient(inquiry, x, y, _LOSSES[loss])
        largest = gradient.abs().flatten(1).amax(1)
        lost.append(~(largest >= _DENORMAL) | ~largest.isfinite())
        led.append(_uphill(inquiry, part, gradient, _length(inquiry)))
    draws = inquiry.batches.ring.draws
    inquiry.spend(4 * draws * len(on), draws * len(on))
    return Slope(torch.cat(lost).cpu().numpy(), torch.cat(led).cpu().numpy())


def _drawn(inquiry: Inquiry, on: np.ndarray, loss: str) -> dict[str, Any]:
    """How often a step along the gradient of this loss beats a random one, over the length of the step: what leads
    nowhere leads nowhere at any length, and what is only too curved leads uphill at the short ones."""
    lengths, uphill = [factor * _length(inquiry) for factor in _LENGTHS], np.zeros(len(_LENGTHS))
    for part in _parts(inquiry, on):
        gradient = _gradient(inquiry, *inquiry.fetch(part), _LOSSES[loss])
        uphill += [int(_uphill(inquiry, part, gradient, length).sum()) for length in lengths]
    draws = inquiry.batches.ring.draws
    inquiry.spend((1 + 3 * len(lengths)) * draws * len(on), draws * len(on))
    shares = (uphill / len(on)).tolist()
    said = f"samples on which a step along the gradient of {loss} beats a random one"
    return plot(lengths, shares, "length of the step, in every pixel", said, threshold=_LED)


def _parts(inquiry: Inquiry, on: np.ndarray) -> list[np.ndarray]:
    return np.array_split(on, -(-len(on) // inquiry.batches.batch_size))


def _length(inquiry: Inquiry) -> float:
    """By how much the step that is judged changes every pixel."""
    return 0.5 * inquiry.threat.eps if inquiry.threat.norm is Norm.LINF else _STEP


def _uphill(inquiry: Inquiry, part: np.ndarray, gradient: Tensor, length: float) -> Tensor:
    """Whether a step of this length along the signs of the gradient raises the margin more than random signs do,
    `(n,)`."""
    x, y = inquiry.fetch(part)
    random = Rng.keyed(inquiry.batches.ring.seed, "AUD221", torch.from_numpy(part).to(x.device)).signs(*x.shape[1:])
    here, along, aside = (
        margins(_answer(inquiry, (x + length * step).clamp(0.0, 1.0)), y)
        for step in (torch.zeros_like(x), gradient.nan_to_num(0.0).sign(), random)
    )
    # With few pixels that matter, random signs are often those of the gradient.
    return (along > aside) | ((along == aside) & (along > here))


def _gradient(inquiry: Inquiry, x: Tensor, y: Tensor, loss: Loss) -> Tensor:
    """The gradient that attacks follow, `(n, …)`; NaN where it cannot be computed."""
    leaf, draws = x.clone().requires_grad_(), inquiry.batches.ring.draws
    try:
        with torch.enable_grad():
            logits = sum((inquiry.target.searching(leaf) for _ in range(draws)), torch.zeros((), device=x.device))
            (gradient,) = torch.autograd.grad(loss(logits / draws, y).sum(), leaf)
    except (RuntimeError, ModelError):
        return torch.full_like(x, torch.nan)
    return gradient


def _answer(inquiry: Inquiry, x: Tensor) -> Tensor:
    """What attacks see; where the deployed model saturates, a way past that still sees which way is up."""
    with torch.no_grad():
        return same_draws(inquiry.target.differentiable, inquiry.batches.ring.draws)(x)


def _cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    return functional.cross_entropy(logits, y, reduction="none")


def _ratio(logits: Tensor, y: Tensor) -> Tensor:
    """The margin over the range of the logits, which is not followed: it has the direction of dlr, and its scale."""
    spread = (logits.amax(1) - logits.amin(1)).detach()
    return margins(logits, y) / spread.clamp_min(_DENORMAL)


_LOSSES: dict[str, Loss] = {"ce": _cross_entropy, "margin": margins, "dlr": _ratio}
