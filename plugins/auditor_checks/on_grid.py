"""Does the model answer pictures that no image file holds as it answers their neighbours that one does?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.attack import Attack, Passes
from auditor.check import Finding, Severity
from auditor.engine.ledger import margins
from auditor.parameters import parameter
from auditor.rng import Rng
from auditor.types import Access, Norm
from auditor_checks._base import share
from auditor_checks._inquiry import InquiryCheck, more_than_few

if TYPE_CHECKING:
    import numpy as np

    from auditor.engine.inquiry import Inquiry
    from auditor.engine.scene import Scene
    from auditor.engine.view import View
    from auditor.result.record import AttackRun
    from auditor.types import Images, Labels, Threat

_LEVELS = 255.0
_ASIDE = 0.4
_CHANGE, _MANY, _MOST = 0.25, 0.25, 32
_STEPS, _DOUBLINGS = 40, 4


@dataclass(frozen=True, kw_only=True)
class OnGrid(Attack):
    """Climbs the margin from one 8-bit image to the next, and asks about nothing else.

    Finds: models that answer otherwise, or not at all, off the grid of images. Blind to: changes below a level.
    Cost: `steps + 1` forward and `steps` backward passes.
    """

    name: ClassVar[str] = "on-grid"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF})
    access: ClassVar[Access] = Access.GRADIENTS

    steps: int = parameter(_STEPS, help="steps", low=1, high=100_000)

    def passes(self, num_classes: int) -> Passes:
        return Passes(self.steps + 1, self.steps)

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        most = math.floor(threat.eps * _LEVELS + 1e-4)
        change = torch.round(0.5 * most * rng.uniform(*x.shape[1:], low=-1.0, high=1.0))
        for step in range(self.steps):
            found = target.gradient(_image(x, change), y, margins)
            length = max(1.0, 0.5 * most * (1.0 - step / self.steps))
            change = torch.round(change + length * found.gradient.sign()).clamp(-most, most)
        return _image(x, change)


def _image(x: Images, change: torch.Tensor) -> Images:
    """The 8-bit images that differ from `x` by so many levels."""
    return (torch.round(_LEVELS * x) + change).clamp(0.0, _LEVELS) / _LEVELS


class OffTheGrid(InquiryCheck):
    """The model answers between gray levels as it answers at them.

    Seen: pictures less than half a gray level from an 8-bit image, which no file holds, are answered quite otherwise.
    Means: the model tells what an attack makes from what a camera takes, and refuses to move, or moves there alone.
        Attacks search between the levels, so that they met another model than attackers who hand in files (adaptive
        attacks have to be made for such a model: Tramer et al., arXiv:2002.08347).
    Measured: on up to 32 samples that stand, of data that is 8-bit images, at the image that lies half the budget along
        the gradient's signs: the change of the margin with every pixel 0.4 levels aside. Where it is doubted, 40 steps
        from one 8-bit image to the next, from a start of its own each time, and three times with twice as many; what
        falls is counted.
    Threshold: a change of more than a quarter of the sample's own margin, for more than a quarter of the samples, and
        more than one (proposed). The doubt stays, and makes the audit inconclusive, while samples stand: no other
        attack looked where attackers who hand in files do.
    Do: audit the model without what recognises such pictures; report robust accuracy against 8-bit images (AUD303).
    """

    code: ClassVar[str] = "AUD222"
    title: ClassVar[str] = "Between gray levels the model answers otherwise"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF})

    def ask(self, scene: Scene, inquiry: Inquiry) -> Iterator[Finding]:
        samples, target = inquiry.batches.samples, inquiry.target
        if not samples.eight_bit or inquiry.threat.eps * _LEVELS < 1.0 or target.draws > 1 or target.twin is None:
            return
        on = inquiry.affordable(inquiry.standing, 4, _MOST)
        if len(on) < 2:
            return
        other = int((_changed(inquiry, on) > _CHANGE).sum())
        inquiry.show(**{"looked at": len(on), "answered otherwise": other})
        if not more_than_few(other, len(on), _MANY):
            return
        inquiry.doubt(f"Less than half a gray level aside, {share(other, len(on))} samples are answered otherwise.")
        told = share(sum(run.broken for run in _climbs(inquiry)), inquiry.total)
        # All other attacks of the plan and of the checks met another model.
        if len(inquiry.standing):
            yield self.finding(
                Severity.INCONCLUSIVE,
                f"{inquiry.doubts[0]} Steps from one 8-bit image to the next broke {told} more; "
                "what still stands has withstood them alone.",
                "Audit the model without what recognises such pictures.",
            )
        else:
            yield self.mended(f"{inquiry.doubts[0]} All that stood fell to steps from one 8-bit image to the next.")


def _changed(inquiry: Inquiry, on: np.ndarray) -> torch.Tensor:
    """By how much the margins of 8-bit images half-way to the budget change a little aside, in units of the samples'
    own, `(n,)`."""
    x, y = inquiry.fetch(on)
    levels = max(1, math.floor(0.5 * inquiry.threat.eps * _LEVELS))
    image = _image(x, levels * _uphill(inquiry, x, y))
    rng = Rng.keyed(inquiry.batches.ring.seed, "AUD222", torch.from_numpy(on).to(x.device))
    step = _ASIDE / _LEVELS * rng.signs(*x.shape[1:])
    aside = torch.where((image + step - 0.5).abs() > 0.5, image - step, image + step)
    there, beside = (margins(inquiry.target.answer(points), y) for points in (image, aside))
    inquiry.spend(3 * len(on), len(on))
    here = torch.from_numpy(inquiry.found.clean.margin[on]).to(there)
    change: torch.Tensor = (beside - there).abs() / here.abs().clamp_min(1e-12)
    return change


def _uphill(inquiry: Inquiry, x: Images, y: Labels) -> torch.Tensor:
    """The signs of the margin's gradient at the samples; nothing where there is none."""
    leaf = x.clone().requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(margins(inquiry.target.differentiable(leaf), y).sum(), leaf)
    return slope.nan_to_num(0.0, 0.0, 0.0).sign()


def _climbs(inquiry: Inquiry) -> Iterator[AttackRun]:
    for doubling in range(_DOUBLINGS):
        steps = _STEPS * 2**doubling
        run = inquiry.attack(OnGrid(steps=steps))
        inquiry.show(**{f"broken by {steps} steps on the grid": run.broken})
        yield run
