"""Had the attacks come to an end when they were ended?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from auditor_checks._base import share
from auditor_checks._inquiry import InquiryCheck, longest_query, one_restart, strongest

if TYPE_CHECKING:
    from auditor.check import Finding
    from auditor.engine.inquiry import Inquiry
    from auditor.engine.scene import Scene
    from auditor.result.record import AttackRun

_DOUBLINGS = 4


class MoreSteps(InquiryCheck):
    """Twice the steps break no more samples.

    Seen: the attack that broke the most was run again, with twice as many steps, on samples that stand, and broke some.
    Means: the search was ended before it was done, and the robust accuracy is too high (Carlini et al.,
        arXiv:1902.06705).
    Measured: one restart of the kind of climb that broke the most, on the samples that stand, the closest to an example
        first, as far as a check may spend passes. Where some fall the steps are doubled again for all that stand, up to
        four times; what falls is counted. Where no attack follows gradients, queries take the place of steps.
    Threshold: more than 0.5 % of all samples, and more than one, raise the doubt; it stays, and makes the audit
        inconclusive, if the last doubling still breaks so many (proposed).
    Do: run `--suite thorough`, or the attack with more steps.
    """

    code: ClassVar[str] = "AUD207"
    title: ClassVar[str] = "More steps still break samples"

    def ask(self, scene: Scene, inquiry: Inquiry) -> Iterator[Finding]:
        run = strongest(inquiry)
        word = "steps" if run else "queries"
        run = run or longest_query(inquiry)
        if run is None:
            return
        yield from self.escalate(
            inquiry,
            _doubled(inquiry, run, word),
            lambda more: (
                f"{more.parameters[word]} {word} of {more.attack} broke {share(more.broken, inquiry.total)} samples "
                f"that withstood half."
            ),
            f"Run --suite thorough, or name the attack with more {word}.",
        )


def _doubled(inquiry: Inquiry, run: AttackRun, word: str) -> Iterator[AttackRun]:
    """The attack with twice, four times, … the steps or queries, on as many samples as there is room for."""
    effort = int(run.parameters[word])
    parameters = one_restart(run, effort) if word == "steps" else dict(run.parameters)
    for _ in range(_DOUBLINGS):
        effort *= 2
        more = {**parameters, word: effort}
        on = inquiry.closest(inquiry.room(inquiry.cost(run.attack, **more), inquiry.total))
        again = inquiry.attack(run.attack, on, **more)
        if again.attacked:
            inquiry.show(**{f"broken by {effort} {word}": again.broken})
        yield again
