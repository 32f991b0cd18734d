"""Are several attacks several witnesses?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from auditor.check import Severity
from auditor_checks._inquiry import InquiryCheck

if TYPE_CHECKING:
    from auditor.check import Finding
    from auditor.engine.inquiry import Inquiry
    from auditor.engine.scene import Scene
    from auditor.result.record import AttackRun

_SAME, _SAMPLES, _FEWEST, _CHANCE = 0.995, 16, 4, 2


class OneFamily(InquiryCheck):
    """Attacks that were named together find different things.

    Seen: an attack that was named broke the same samples as another, and left the same ones.
    Means: that both fail is no more evidence than that one fails: they are one family (Carlini et al.,
        arXiv:1902.06705).
    Measured: of the samples that one attack left, those that the next one broke in its turn; of those that it broke, up
        to 16 that the other is tried on as well, which is not counted. Both outcomes have to occur.
    Threshold: the outcomes agree for more than 99.5 % of the samples, or for all but two, by this estimate (proposed).
    Do: run a suite, or name an attack of another kind: another loss, queries (`square`), another start.
    """

    code: ClassVar[str] = "AUD217"
    title: ClassVar[str] = "Several attacks, one family"

    def ask(self, scene: Scene, inquiry: Inquiry) -> Iterator[Finding]:
        named = [run for run in inquiry.runs if run.status == "ran" and run.attacked and not run.because]
        if len(scene.settings.attacks) < 2 or len(named) < 2:
            return
        families: list[list[str]] = []
        leaders: list[AttackRun] = []
        for run in named:
            same = next((at for at, leader in enumerate(leaders) if _alike(inquiry, leader, run)), None)
            if same is None:
                leaders.append(run)
                families.append([run.name])
            else:
                families[same].append(run.name)
        shared = [family for family in families if len(family) > 1]
        if shared:
            told = "; ".join(", ".join(family) for family in shared)
            yield self.finding(
                Severity.INFO,
                f"These attacks broke and left the same samples, and count as one: {told}.",
                "Name attacks of another kind beside them, or run a suite.",
            )


def _alike(inquiry: Inquiry, first: AttackRun, then: AttackRun) -> bool:
    """Whether both attacks end alike for nearly all samples, by estimate; not where too little can be told."""
    fell = np.array(sorted(i for i, (by, _) in inquiry.found.broken_by.items() if by == first.name), dtype=np.int64)
    passes = inquiry.make(then.attack, then.parameters).passes(inquiry.target.num_classes)
    # Most of what fell to one attack falls to its like long before the end.
    each = (passes.forwards + passes.backwards) // 4 if passes else 1
    few = inquiry.affordable(fell, max(1, each), _SAMPLES)
    if len(few) < _FEWEST or then.broken == then.attacked:
        return False
    trial = inquiry.trial(then.attack, few, **then.parameters)
    if not trial.ended:
        return False
    total = then.attacked + len(fell)
    differ = then.broken + float(1.0 - trial.fell.mean()) * len(fell)
    inquiry.show(**{f"{first.name} and {then.name}": 1.0 - differ / total})
    return differ <= max(_CHANCE, (1.0 - _SAME) * total)
