"""Did the white-box attacks do their work?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from auditor.check import Finding, Severity, Stage
from auditor.types import Access
from auditor_checks._base import TrustCheck, share

if TYPE_CHECKING:
    from auditor.engine.scene import Scene
    from auditor.result.record import AttackRun

_SUSPICIOUS, _WRONG = 0.01, 0.05


class BlackBoxBeatsWhiteBox(TrustCheck):
    """Attacks with gradients find what attacks without them find.

    Seen: a black-box attack that ran after all white-box attacks broke samples that those had missed.
    Means: who sees more should find more. Gradients are masked somewhere (Athalye et al., arXiv:1802.00420), or the
        white-box attacks were too weak, so that more samples than these are likely to fall to a better attack.
    Measured: samples broken by attacks without gradients after the last attack with gradients, per threat; queries
        that start from the point where gradients got to (`square-refine`) are among them.
    Threshold: more than 1 % of all samples warn, more than 5 % make the audit inconclusive (proposed; AutoAttack
        calls 0.2 % suspicious). One sample is none: it takes two.
    Do: run a stronger suite (`--suite thorough`), and read AUD112 and AUD113 for what hides the gradients.
    """

    code: ClassVar[str] = "AUD202"
    title: ClassVar[str] = "Black-box attacks broke what white-box attacks missed"
    stage: ClassVar[Stage] = Stage.AUDIT

    def inspect(self, scene: Scene) -> Iterator[Finding]:
        n = len(scene.samples)
        for threat in scene.result.threats if scene.result else ():
            missed = _missed(threat.attacks)
            broken = sum(run.broken for run in missed)
            # Where the smallest change is looked for, `broken` are improvements.
            if threat.minimal or broken < 2 or broken <= _SUSPICIOUS * n:
                continue
            names = ", ".join(f"{run.name} {run.broken}" for run in missed if run.broken)
            yield self.finding(
                Severity.INCONCLUSIVE if broken > _WRONG * n else Severity.WARN,
                f"In {threat.said}, {share(broken, n)} samples withstood the attacks with gradients "
                f"that looked at them and fell to one without ({names}).",
                "Run --suite thorough, or raise the steps and restarts of the white-box attacks.",
            )


def _missed(runs: tuple[AttackRun, ...]) -> tuple[AttackRun, ...]:
    """The black-box attacks that ran after the last white-box attack; none where no white-box attack ran."""
    white = [position for position, run in enumerate(runs) if run.access == Access.GRADIENTS and run.attacked]
    return tuple(r for r in runs[white[-1] + 1 :] if r.access in (Access.SCORES, Access.LABELS)) if white else ()
