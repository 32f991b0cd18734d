"""Did the white-box attacks do their work?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from auditor.check import Finding, Severity
from auditor.types import Access
from auditor_checks._base import share
from auditor_checks._inquiry import InquiryCheck, more_than_few
from auditor_checks._outdone import counted, heard
from auditor_checks._ways import BLIND, and_queries, reaching
from auditor_checks.rough import RoughLoss, looked
from auditor_checks.useless import slope

if TYPE_CHECKING:
    from auditor.engine.inquiry import Inquiry
    from auditor.engine.scene import Scene
    from auditor.result.record import AttackRun

_SUSPICIOUS, _LOOK, _WRONG = 0.01, 0.02, 0.05
_SURE = 0.9
_TRIED = 32
_FEW, _EACH = 0.2, 14


class BlackBoxBeatsWhiteBox(InquiryCheck):
    """Attacks with gradients find what attacks without them find.

    Seen: black-box attacks broke samples that white-box attacks of the same plan had looked at and missed.
    Means: who sees more should find more. Gradients are masked somewhere (Athalye et al., arXiv:1802.00420), or the
        white-box attacks were too weak, so that more samples than these are likely to fall to a better attack.
    Measured: samples broken by attacks without gradients after the last attack with gradients, per threat; queries
        that start from the point where gradients got to (`square-refine`) are among them. Where they fell between
        two attacks with gradients, or are at most 5 % of all, and are less than a fifth of what withstood these,
        the gradients there, and on 32 samples that stand, are looked at first, as AUD211 and AUD221 do: where nine of
        ten lead uphill, and all but one keep what they promise, nothing is doubted. Else up to 32 are tried with other
        losses, gradients past rounding, and more starts. What breaks them, in as few ways as break them all, and
        queries, from where other gradients led and from scratch, are run on all that stand, with twice the effort
        each time until that breaks no more; what falls is counted.
    Threshold: more than 1 % of all samples (AutoAttack calls 0.2 % suspicious), and more than one, raise the doubt; so
        do more than 5 % that fell between two white-box attacks, and more than 2 % where a look at the gradients finds
        that these mislead. It stays where the search does not come to an end,
        as a warning, and makes the audit inconclusive where more than 5 % fell without gradients (proposed).
    Do: what the finding says of the way that got through (another loss, `--bpda`, more starts, a layer to be left out);
        where none did, read AUD112, AUD113 and AUD221 for what hides the gradients.
    """

    code: ClassVar[str] = "AUD202"
    title: ClassVar[str] = "Black-box attacks broke what white-box attacks missed"

    def ask(self, scene: Scene, inquiry: Inquiry) -> Iterator[Finding]:
        n = inquiry.total
        since_first, since_last = missed([run for run in inquiry.runs if not run.because])
        inquiry.show(
            **{
                "broken by queries after the last white-box attack": broken_by(since_last),
                "and since the first": broken_by(since_first),
            }
        )
        doubted = since_last if suspicious(broken_by(since_last), n, _SUSPICIOUS) else since_first
        if not suspicious(broken_by(doubted), n, _SUSPICIOUS if doubted is since_last else _LOOK):
            return
        names = ", ".join(f"{run.name} {run.broken}" for run in doubted if run.broken)
        seen = (
            f"{share(broken_by(doubted), n)} samples withstood the attacks with gradients that looked at them and fell "
            f"to one without ({names})."
        )
        fallen = inquiry.broken_by(*{run.attack for run in doubted})
        # What fell between two white-box attacks the second might have broken as well, and of a few after the last so
        # might a longer one.
        many = suspicious(broken_by(doubted), n, _WRONG)
        few = doubted is since_first or not many
        led = self._led(inquiry, fallen) if few else None
        enough = many or doubted is since_last
        if led and enough:
            told = "Gradients there lead uphill and keep what they promise, so queries got further on rugged ground."
            yield self.finding(Severity.INFO, f"{seen} {told}", title=f"{self.title}; gradients are sound")
        if led or (led is None and not enough):
            return
        inquiry.doubt(seen)
        ways, left = reaching(inquiry, fallen[:: max(1, len(fallen) // _TRIED)][:_TRIED])
        settled = and_queries(inquiry, ways)
        tried = min(_TRIED, len(fallen))
        told = f"{inquiry.doubts[0]} {heard(ways, tried - len(left), tried)} {counted(inquiry)}"
        if settled:
            yield self.mended(told)
            return
        wrong = broken_by(doubted) + sum(run.broken for run in inquiry.tried if run.access != Access.GRADIENTS)
        yield self.finding(
            Severity.INCONCLUSIVE if wrong > _WRONG * n else Severity.WARN,
            told,
            " ".join(way.advice for way in ways if way.advice != BLIND) or BLIND,
        )

    def _led(self, inquiry: Inquiry, fallen: np.ndarray) -> bool | None:
        """Whether gradients are of use on what fell and on what stands; None where more fell than a few of what
        withstood gradients, or it cannot be told."""
        draws, standing = inquiry.batches.ring.draws, inquiry.standing
        some = inquiry.affordable(fallen, _EACH * draws, _TRIED)
        few = len(fallen) <= _FEW * (len(fallen) + len(standing))
        if not few or len(some) < 2 or inquiry.target.twin is None or inquiry.threat.norm not in RoughLoss.norms:
            return None
        # More than there is room for: a doubt would cost a hundred times as much.
        others = np.linspace(0, len(standing) - 1, min(len(standing), _TRIED // draws)).astype(np.int64)
        some = np.union1d(some, standing[others])
        uphill = slope(inquiry, some, "margin")
        inquiry.show(**{"samples looked at": len(some), "gradients that lead uphill": int(uphill.led.sum())})
        # What leads where a step at random does on one sample in ten is no slope that a climb can be sure of.
        if not uphill.useful or more_than_few(len(some) - int(uphill.led.sum()), len(some), 1.0 - _SURE):
            return False
        kept = looked(inquiry, some)
        inquiry.show(**{"gradients that mislead": kept.lies})
        return len(kept.kept) > 1 and kept.lies < 2


def suspicious(broken: int, n: int, share: float) -> bool:
    """Whether so many are more than this share; one sample is none."""
    return broken >= 2 and broken > share * n


def broken_by(runs: Sequence[AttackRun]) -> int:
    """Samples that these attacks broke."""
    return sum(run.broken for run in runs)


def missed(runs: Sequence[AttackRun]) -> tuple[list[AttackRun], list[AttackRun]]:
    """The black-box attacks that ran after the first white-box attack, and those after the last; none without one."""
    white = [position for position, run in enumerate(runs) if run.access == Access.GRADIENTS and run.attacked]
    black = [i for i, run in enumerate(runs) if run.access in (Access.SCORES, Access.LABELS)]
    first, last = (white[0], white[-1]) if white else (len(runs), len(runs))
    return [runs[i] for i in black if i > first], [runs[i] for i in black if i > last]
