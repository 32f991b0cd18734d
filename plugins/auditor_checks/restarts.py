"""Is it chance where the search began?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from auditor_checks._base import share
from auditor_checks._inquiry import InquiryCheck, one_restart, strongest

if TYPE_CHECKING:
    from auditor.check import Finding
    from auditor.engine.inquiry import Inquiry
    from auditor.engine.scene import Scene
    from auditor.result.record import AttackRun

_RESTARTS, _STEPS, _DOUBLINGS = 5, 20, 4


class MoreRestarts(InquiryCheck):
    """Five more starting points break no more samples.

    Seen: the attack that broke the most was begun anew from random points around samples that stand, and broke some.
    Means: what the attack finds depends on where it begins, and it did not begin often enough (Carlini et al.,
        arXiv:1902.06705).
    Measured: five restarts of the kind of climb that broke the most, each with as many steps as it had and at most 20,
        on the samples that stand, the closest to an example first, as far as a check may spend passes. Where some fall
        all that stand get ten, twenty and forty more; what falls is counted.
    Threshold: more than 0.5 % of all samples, and more than one, raise the doubt; it stays, and makes the audit
        inconclusive, if the last restarts still break so many (proposed).
    Do: run `--suite thorough`, or the attack with more restarts.
    """

    code: ClassVar[str] = "AUD209"
    title: ClassVar[str] = "More restarts still break samples"

    def ask(self, scene: Scene, inquiry: Inquiry) -> Iterator[Finding]:
        run = strongest(inquiry)
        if run is None or "restarts" not in run.parameters:
            return
        yield from self.escalate(
            inquiry,
            _begun_anew(inquiry, run),
            lambda more: (
                f"{_RESTARTS} more restarts of {more.attack} broke {share(more.broken, inquiry.total)} samples that "
                f"had withstood."
            ),
            "Run --suite thorough, or name the attack with more restarts.",
        )


def _begun_anew(inquiry: Inquiry, run: AttackRun) -> Iterator[AttackRun]:
    """The attack from five, ten, … random points, on as many samples as there is room for."""
    steps, restarts = min(_STEPS, int(run.parameters["steps"])), _RESTARTS
    for _ in range(_DOUBLINGS):
        parameters = one_restart(run, steps, restarts=restarts)
        on = inquiry.closest(inquiry.room(inquiry.cost(run.attack, **parameters), inquiry.total))
        again = inquiry.attack(run.attack, on, **parameters)
        if again.attacked:
            inquiry.show(**{f"broken by {restarts} restarts": again.broken})
        restarts *= 2
        yield again
