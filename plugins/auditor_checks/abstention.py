"""Does the model refuse to answer instead of answering wrongly?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from auditor.check import Finding, Severity, plot
from auditor.errors import UsageError
from auditor_checks._base import percent, share
from auditor_checks._inquiry import InquiryCheck

if TYPE_CHECKING:
    from auditor.engine.inquiry import Inquiry
    from auditor.engine.scene import Scene

_HIDES = 0.05
_SLIM = 0.01
_RATES = tuple(step / 20.0 for step in range(20))


class Abstention(InquiryCheck):
    """Every class is one that samples have; none is a refusal to answer.

    Seen: a last class that no sample has; or the one named by `--abstain`.
    Means: the model has a reject option. A single number misleads: robust accuracy counts refusals as failures, and if
        they counted as right, attacks would have had to avoid them, which these did not (Tramer et al.,
        arXiv:2002.08347; Carlini et al., arXiv:1902.06705).
    Measured: how many samples fell to a refusal; and robust accuracy over what is answered where the least sure answers
        are refused too, at every rate of refusal, refusals first: the worst answer known of each sample counts, with
        its confidence. `auc` is the chance that a clean answer is surer than one to an example.
    Threshold: without `--abstain`, the last class is taken for a refusal if it is the only one that no sample has, and
        a class as frequent as the others would be missing with a chance of less than 1 % (proposed). More than 5 points
        between the two ways to count are warned of (proposed).
    Do: judge the model by the curve, at the rate of refusals that you can afford; attack it with a loss that avoids the
        detector as well.
    """

    code: ClassVar[str] = "AUD220"
    title: ClassVar[str] = "The model may refuse to answer"
    once: ClassVar[bool] = True

    def ask(self, scene: Scene, inquiry: Inquiry) -> Iterator[Finding]:
        fallen = {i: found for i, (_, found) in inquiry.found.broken_by.items()}
        refusal = _named(scene) if scene.settings.abstain is not None else _guessed(inquiry)
        if refusal is None:
            return
        refused = [i for i, found in fallen.items() if found.prediction == refusal]
        clean, audited = inquiry.found.clean, inquiry.found.audited
        sure, right = clean.confidence.copy(), clean.correct.copy()
        for i, found in fallen.items():
            sure[i], right[i] = found.confidence, False
        silent = clean.prediction == refusal
        silent[refused] = True
        sure[silent] = -1.0
        curve = _over_refusals(sure[audited], right[audited])
        n, stand = len(audited), int(right[audited].sum())
        inquiry.show(
            refused=len(refused),
            refused_as_they_are=int((clean.prediction == refusal).sum()),
            auc=_auc(clean.confidence[clean.correct & ~silent], np.array([sure[i] for i in fallen])),
            plot=plot(_RATES, curve, "share refused", "robust accuracy of the rest"),
        )
        gap = len(refused) / n
        yield self.finding(
            Severity.WARN if gap > _HIDES else Severity.INFO,
            f"{share(len(refused), n)} samples fell to class {refusal}, which no sample has. Robust accuracy is "
            f"{percent(stand / n)} where refusals count as failures, and at most {percent(stand / n + gap)} where they "
            f"do not: no attack tried to avoid them.",
            "Judge it by the curve of accuracy over refusals, and attack it with a loss that avoids its detector.",
        )


def _named(scene: Scene) -> int:
    """The class that the settings call a refusal."""
    name, classes = str(scene.settings.abstain), scene.target.classes or scene.samples.classes or ()
    if name in classes:
        return list(classes).index(name)
    if name.isdigit() and int(name) < scene.target.num_classes:
        return int(name)
    raise UsageError(f"--abstain names {name!r}, and the model has no such class (0 to {scene.target.num_classes - 1})")


def _guessed(inquiry: Inquiry) -> int | None:
    """The last class, if it looks like a refusal; None where none does."""
    last = inquiry.target.num_classes - 1
    counts = np.bincount(inquiry.found.clean.labels, minlength=last + 1)
    # If it were a class like the others, that all samples have another would be so likely.
    chance = (last / (last + 1.0)) ** int(counts.sum())
    return last if last >= 2 and not counts[last] and counts[:last].all() and chance < _SLIM else None


def _over_refusals(sure: np.ndarray, right: np.ndarray) -> list[float]:
    """The share that is right of what is left, once the least sure were refused, at each rate."""
    ordered = right[np.argsort(sure, kind="stable")]
    return [float(ordered[int(rate * len(ordered)) :].mean()) for rate in _RATES]


def _auc(clean: np.ndarray, attacked: np.ndarray) -> float | None:
    """The chance that a clean answer is surer than one to an example; None where there are none to compare."""
    if not len(clean) or not len(attacked):
        return None
    ordered = np.sort(clean)
    above = len(clean) - np.searchsorted(ordered, attacked, side="right")
    level = np.searchsorted(ordered, attacked, side="right") - np.searchsorted(ordered, attacked, side="left")
    return round(float((above + 0.5 * level).mean() / len(clean)), 4)
