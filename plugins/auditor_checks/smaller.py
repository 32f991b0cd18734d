"""Does what holds within the budget hold within a part of it?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from auditor.types import Norm
from auditor_checks._base import share
from auditor_checks._inquiry import InquiryCheck, longest_query, one_restart, strongest

if TYPE_CHECKING:
    from auditor.check import Finding
    from auditor.engine.inquiry import Inquiry
    from auditor.engine.scene import Scene
    from auditor.result.record import AttackRun

_STEPS, _QUERIES = 20, 200


class SmallerBudget(InquiryCheck):
    """What withstands the whole budget withstands half of it.

    Seen: samples that no attack broke within the budget fell to an attack that kept to half of it.
    Means: the smaller ball lies within the larger one, so that the search in the larger one missed what is there.
        Gradients lead astray far from the sample, or the model refuses to move where a change is too plain (Carlini et
        al., arXiv:1902.06705: success must grow with the budget).
    Measured: one short climb of the kind that broke the most, or queries where there are no gradients, within half the
        budget around samples that stand, as far as a check may spend passes. Where some fall all that stand are
        attacked within a half, a quarter and three quarters, and within the whole budget from the points found there.
        What falls is counted.
    Threshold: more than 0.5 % of all samples, and more than one, raise the doubt; it stays, and makes the audit
        inconclusive, if the last of these attacks still breaks so many (proposed).
    Do: audit smaller budgets too, such as `--eps 2/255 --eps 4/255 --eps 8/255`: what falls early is carried on.
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
    few = inquiry.affordable(inquiry.standing, inquiry.cost(name, **parameters))
    for part, on in ((0.5, few), (0.5, None), (0.25, None), (0.75, None)):
        run, word = inquiry.attack(name, on, within=part, **parameters), f"broken within {part:g}"
        if run.attacked:
            inquiry.show(**{word: inquiry.evidence.get(word, 0) + run.broken})
        yield run
    if climb is not None:
        yield inquiry.attack("apgd", loss="margin", start="closest", steps=2 * _STEPS)
    else:
        yield inquiry.attack(name, **{**parameters, "queries": 2 * queries})
