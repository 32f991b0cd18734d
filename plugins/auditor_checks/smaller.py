"""Does what holds within the budget hold within a part of it?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from auditor.attack import Attack, Passes
from auditor.engine.ledger import margins
from auditor.norms import per_sample
from auditor.parameters import parameter
from auditor.types import Access, Norm
from auditor_checks._base import share
from auditor_checks._inquiry import InquiryCheck, longest_query, more_than_few, one_restart, strongest

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.check import Finding
    from auditor.engine.inquiry import Inquiry
    from auditor.engine.scene import Scene
    from auditor.engine.view import View
    from auditor.result.record import AttackRun
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat

_STEPS, _QUERIES, _PROBE = 20, 200, 10
_PARTS, _DOUBLINGS = (0.25, 0.5, 0.33, 0.125), 3


@dataclass(frozen=True, kw_only=True)
class FewPixels(Attack):
    """Climbs the margin by signs, and changes only the entries of the sample that promise most.

    Finds: models that recognise noise by how many pixels it is on. Blind to: what takes all entries.
    Cost: `steps + 1` forward and `steps` backward passes.
    """

    name: ClassVar[str] = "few-pixels"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF})
    access: ClassVar[Access] = Access.GRADIENTS

    steps: int = parameter(_STEPS, help="steps", low=1, high=100_000)
    share: float = parameter(0.25, help="of all entries, those that change", low=1e-6, high=1.0)

    def passes(self, num_classes: int) -> Passes:
        return Passes(self.steps + 1, self.steps)

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        point, free = x, None
        for step in range(self.steps):
            slope = target.gradient(point, y, margins).gradient
            if free is None:
                free = _promising(x, slope, threat.eps, self.share)
            length = 0.25 * threat.eps * (1.0 - step / self.steps)
            point = threat.project(point + length * slope.sign() * free, x)
        return point


def _promising(x: Images, slope: Tensor, eps: float, part: float) -> Tensor:
    """A one for this share of each sample's entries: those whose change within budget and box raises the loss most."""
    gain = (slope * ((x + eps * slope.sign()).clamp(0.0, 1.0) - x)).flatten(1)
    least = gain.topk(max(1, round(part * gain.shape[1])), dim=1).values[:, -1]
    return (gain.view_as(x) >= per_sample(least, x)).to(x)


class SmallerBudget(InquiryCheck):
    """What withstands the whole budget withstands a part of it.

    Seen: samples that no attack broke within the budget fell to an attack that kept to half of it, or that changed few
        pixels only.
    Means: a part of the ball lies within the ball, so that the search missed what is there. Gradients lead astray far
        from the sample, or the model refuses to move where a change is too plain (Carlini et al., arXiv:1902.06705:
        success must grow with the budget; Tramer et al., arXiv:2002.08347, of detectors).
    Measured: one short climb of the kind that broke the most, or queries where there are no gradients, within half the
        budget around samples that stand, as far as a check may spend passes; in linf also ten steps of signs on the
        quarter of the entries that promise most. Where some fall to half the budget all that stand are attacked within
        a half, a quarter and three quarters, and within the whole budget from the points found there; where some fall
        to few pixels, on a quarter, a half, a third and an eighth of them, and then on half of them with twice the
        steps until that breaks no more. What falls is counted.
    Threshold: more than 0.5 % of all samples, and more than one, raise the doubt; it stays, and makes the audit
        inconclusive, if the last of these attacks still breaks so many (proposed).
    Do: audit smaller budgets too, such as `--eps 2/255 --eps 4/255 --eps 8/255`: what falls early is carried on. Look
        for a detector in front of the model that sees noise on all pixels.
    """

    code: ClassVar[str] = "AUD205"
    title: ClassVar[str] = "A part of the budget breaks what withstood all of it"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF, Norm.L2, Norm.L1})

    def ask(self, scene: Scene, inquiry: Inquiry) -> Iterator[Finding]:
        yield from self.escalate(
            inquiry,
            _parts(inquiry),
            lambda run: f"{share(run.broken, inquiry.total)} samples that withstood the budget fell within half of it.",
            "Audit smaller budgets too; what falls to them is carried on to the larger ones.",
            every=True,
        )
        if inquiry.doubts or inquiry.threat.norm is not Norm.LINF or inquiry.target.twin is None:
            return
        yield from self.escalate(
            inquiry,
            _on_few_pixels(inquiry),
            lambda run: (
                f"{share(run.broken, inquiry.total)} samples that withstood the budget fell to changes of a "
                "quarter of their pixels."
            ),
            "Look for a part of the model that recognises noise on all pixels, and give the model without it.",
            every=True,
        )


def _parts(inquiry: Inquiry) -> Iterator[AttackRun]:
    """An attack within half of the budget, first on a few samples; then on all, within other parts and the whole."""
    climb, query = strongest(inquiry), longest_query(inquiry)
    if climb is not None:
        steps = min(_STEPS, int(climb.parameters["steps"]))
        name, parameters = climb.attack, one_restart(climb, steps)
    elif query is not None:
        queries = min(_QUERIES, int(query.parameters["queries"]))
        name, parameters = query.attack, {**query.parameters, "queries": queries}
    else:
        return
    # Half of what there is room for; the other half is for few pixels.
    few = inquiry.affordable(inquiry.standing, 2 * inquiry.cost(name, **parameters))
    for part, on in ((0.5, few), (0.5, None), (0.25, None), (0.75, None)):
        run, word = inquiry.attack(name, on, within=part, **parameters), f"broken within {part:g}"
        if run.attacked:
            inquiry.show(**{word: inquiry.evidence.get(word, 0) + run.broken})
        yield run
    if climb is not None:
        yield inquiry.attack("apgd", loss="margin", start="closest", steps=2 * _STEPS)
    else:
        yield inquiry.attack(name, **{**parameters, "queries": 2 * queries})


def _on_few_pixels(inquiry: Inquiry) -> Iterator[AttackRun]:
    """Changes of few pixels: of a few samples first, then of all that stand, with more steps while that pays."""
    probe = FewPixels(steps=_PROBE)
    few = inquiry.closest(inquiry.room(2 * probe.steps + 1, inquiry.total))
    broken = 0
    for attack, on in ((probe, few), *((FewPixels(share=part), None) for part in _PARTS)):
        run = inquiry.attack(attack, on)
        broken += run.broken
        if run.attacked:
            inquiry.show(**{"broken on few pixels": broken})
        yield run
    steps = _STEPS
    for _ in range(_DOUBLINGS):
        steps *= 2
        yield (run := inquiry.attack(FewPixels(share=0.5, steps=steps)))
        if not more_than_few(run.broken, inquiry.total, SmallerBudget.threshold):
            return
