"""Does a wrapper help, or does it only hide gradients?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from auditor.check import Finding, Severity
from auditor.result.evidence import read_evidence
from auditor.result.statistics import mcnemar
from auditor.types import Goal, Norm
from auditor_checks._base import chance, share
from auditor_checks._inquiry import InquiryCheck
from auditor_checks.draws import GRADIENTS
from auditor_checks.transfer import Transfer, key_of

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.inquiry import Inquiry
    from auditor.engine.scene import Scene
    from auditor.target.base import Target

_SAMPLES, _STEPS = 128, 100
_CLIMBING: tuple[str, dict[str, Any]] = ("apgd", {"loss": "margin", "steps": _STEPS})
_QUERYING: tuple[str, dict[str, Any]] = ("square", {"queries": 10 * _STEPS})
_SURE = 0.05


@dataclass(frozen=True)
class Stories:
    """Which of the same samples withstand, `(n,)` bool each: the bare model; the wrapped one, attacked by who does not
    know of its wrapper; the same, attacked by who does."""

    bare: np.ndarray
    naive: np.ndarray
    adaptive: np.ndarray


class OnlyHidesGradients(InquiryCheck):
    """A wrapper before the model makes it harder to fool for an attacker who knows of it.

    Seen: with the wrapper, samples withstand examples that were made for the bare model, and no more of them than of
        the bare model withstand attacks that know of it.
    Means: the wrapper only hides gradients, or moves the border a little. It protects from those who do not know of it,
        and from nobody else (Athalye et al., arXiv:1802.00420; Tramer et al., arXiv:2002.08347).
    Measured: on up to 128 samples, three shares: of the bare model that withstand 100 steps up the margin (where it has
        no gradients 1,000 queries) and the examples of this scan; of the wrapped model that withstand these examples of
        the bare one, which count; and that withstand everything that was tried in this scan, with stand-ins for
        gradients and averages over draws. Untargeted goals only.
    Threshold: differences between the first and the others that chance explains with p < 0.05 (exact test of McNemar).
        A wrapper that helps or makes no difference is told; one that only hides gradients, or does harm, is a warning.
    Do: count on the last share only. Where a wrapper that draws nothing is said to help by much, write a better
        stand-in for it before you believe that.
    """

    code: ClassVar[str] = "AUD223"
    title: ClassVar[str] = "The wrapper only hides gradients"
    norms: ClassVar[frozenset[Norm]] = GRADIENTS

    def ask(self, scene: Scene, inquiry: Inquiry) -> Iterator[Finding]:
        target = inquiry.target
        if not target.wrapped.wrappers or inquiry.threat.goal is not Goal.UNTARGETED:
            return
        inquiry.doubt("What is before the model may only hide its gradients.")
        on = inquiry.affordable(inquiry.found.audited, 2 * _STEPS + 2 + 3 * target.draws, _SAMPLES)
        if not len(on):
            return
        yield self.told(compared(inquiry, on), inquiry)

    def told(self, stories: Stories, inquiry: Inquiry) -> Finding:
        """What these samples say."""
        n, bare, naive, adaptive = len(stories.bare), stories.bare, stories.naive, stories.adaptive
        inquiry.show(
            **{
                "samples": n,
                "bare model": float(bare.mean()),
                "wrapped, attacked without knowing of it": float(naive.mean()),
                "wrapped, attacked knowing of it": float(adaptive.mean()),
            }
        )
        hidden, gained = _apart(naive, bare), _apart(adaptive, bare)
        names = " and ".join(wrapper.name for wrapper in inquiry.target.wrapped.wrappers)
        told = (
            f"The bare model withstands attacks on {share(int(bare.sum()), n)} samples. Behind {names} "
            f"{share(int(naive.sum()), n)} withstand its examples, and {share(int(adaptive.sum()), n)} an attacker who "
            "knows of it"
        )
        points = 100.0 * float(adaptive.mean() - bare.mean())
        if gained < _SURE:
            word = f"helps by {points:.1f} points" if points > 0.0 else f"does harm, by {-points:.1f} points"
            severity = Severity.INFO if points > 0.0 else Severity.WARN
            remedy = "" if points > 0.0 else "Leave it out."
            return self.finding(severity, f"{told} ({chance(gained)}).", remedy, title=f"The wrapper {word}")
        if hidden < _SURE and naive.mean() > bare.mean():
            return self.finding(
                Severity.WARN,
                f"{told}, no more than chance explains ({chance(gained)}): this wrapper only hides gradients.",
                "Count on the last share only.",
            )
        title = "The wrapper makes no difference that so many samples show"
        return self.finding(Severity.INFO, f"{told} ({chance(gained)}).", title=title)


def compared(inquiry: Inquiry, on: np.ndarray) -> Stories:
    """The three stories of these samples. Examples of the bare model that fool the wrapped one count."""
    target, (x, y) = inquiry.target, inquiry.fetch(on)
    bare = replace(target.bare, name=f"{target.name}, bare")
    attack = _QUERYING if bare.twin is None else _CLIMBING
    trial = inquiry.trial(inquiry.make(*attack), on, target=bare, labels=y, draws=1, keep=True)
    assert trial.images is not None
    images = trial.images.to(x)
    inquiry.spend((target.draws + 2) * len(on))
    naive = (target.judged(images, y).argmax(1) == y).cpu().numpy()
    stands = inquiry.found.clean.correct[on]
    known = {key_of(sample): image for sample, image in zip(x, images, strict=True)}
    inquiry.attack(Transfer(source=bare.name, known=known), on[trial.fell])
    fallen = np.isin(on, list(inquiry.found.broken_by))
    right = (bare.answer(x).argmax(1) == y).cpu().numpy()
    return Stories(right & ~trial.fell & ~_replayed(inquiry, bare, on, y), stands & naive, stands & ~fallen)


def _replayed(inquiry: Inquiry, bare: Target, on: np.ndarray, y: Tensor) -> np.ndarray:
    """Which of these samples the scan's own examples break in the bare model, too, `(n,)` bool."""
    threat, place = inquiry.threat, {int(index): row for row, index in enumerate(on)}
    fell = np.zeros(len(on), bool)
    for shard in read_evidence(inquiry.batches.store.run, inquiry.target.name, threat.norm, threat.eps):
        mine = np.array([i for i, index in enumerate(shard.index.tolist()) if index in place], dtype=np.int64)
        if len(mine):
            rows = np.array([place[int(index)] for index in shard.index[mine]])
            answers = bare.answer(torch.from_numpy(shard.adversarial[mine]).to(y.device)).argmax(1)
            fell[rows] |= (answers != y[torch.from_numpy(rows).to(y.device)]).cpu().numpy()
    return fell


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    """How likely chance alone sets two stories so far apart."""
    return mcnemar(int((one & ~other).sum()), int((other & ~one).sum()))
