"""Is this the accuracy of a model that works?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from auditor.check import Finding, Severity
from auditor.result.statistics import binomial_tail, clopper_pearson
from auditor_checks._answers import CONFIDENCE, as_expected, clean_logits, guessing, right
from auditor_checks._base import TrustCheck, percent, share
from auditor_checks.classes import ClassCount
from auditor_checks.finite import FiniteAnswers
from auditor_checks.labels import LabelOrder
from auditor_checks.mode import EvalMode
from auditor_checks.wiring import ModelWiring

if TYPE_CHECKING:
    from auditor.engine.scene import Scene

_EXPLANATIONS = (ModelWiring, LabelOrder, EvalMode, ClassCount, FiniteAnswers)


class CleanAccuracy(TrustCheck):
    """The model is as accurate on clean samples as it should be, and better than guessing.

    Seen: clean accuracy near that of guessing, or different from the one that you expect.
    Means: the model is not wired as you think, so that every number about it would be about another function
        (ART #895: a good model, wrapped wrongly, and nothing stops the run).
    Measured: accuracy on the preflight samples; silent where AUD104, AUD105, AUD106, AUD110 or AUD117 say why.
    Threshold: `--expected-clean-accuracy` missed by more than 1 percentage point and outside the exact 99 %
        interval; or accuracy at most 1.5/classes, and at most 5 points above 1/classes, on samples enough that a
        model halfway between guessing and perfect would do so with less than 1 % probability (proposed, after
        Carlini et al., arXiv:1902.06705). With fewer samples it is a warning.
    Do: compare one sample's input, as the network gets it, with your own pipeline; `auditor doctor MODEL` shows
        what the file says of itself.
    """

    code: ClassVar[str] = "AUD103"
    title: ClassVar[str] = "Clean accuracy is no better than guessing"

    def inspect(self, scene: Scene) -> Iterator[Finding]:
        findings = [*self._unexpected(scene), *self._guessing(scene)]
        if findings and not _explained(scene):
            yield from findings

    def _unexpected(self, scene: Scene) -> Iterator[Finding]:
        expected = scene.settings.expected_clean_accuracy
        if expected is None or as_expected(scene):
            return
        n, k = len(scene.y), int(right(scene).sum())
        low, high = clopper_pearson(k, n, CONFIDENCE)
        yield self.finding(
            Severity.BLOCK,
            f"{share(k, n)} preflight samples are classified correctly, where {percent(expected)} was expected; "
            f"the 99 % interval is {percent(low)} to {percent(high)}.",
            "Check the preprocessing flags and the data split; if this accuracy is the true one, correct "
            "--expected-clean-accuracy.",
            title="Clean accuracy is not the expected one",
            evidence={"accuracy": k / n, "low": low, "high": high, "expected": expected, "samples": n},
        )

    def _guessing(self, scene: Scene) -> Iterator[Finding]:
        logits = clean_logits(scene)
        n, k, chance = len(scene.y), int(right(scene).sum()), 1.0 / logits.shape[1]
        if k / n > guessing(logits.shape[1]):
            return
        useful = (1.0 + chance) / 2.0
        certain = 1.0 - binomial_tail(k + 1, n, useful) < 1.0 - CONFIDENCE
        commonest = int(logits.argmax(1).bincount().max())
        yield self.finding(
            Severity.BLOCK if certain and not as_expected(scene) else Severity.WARN,
            f"{share(k, n)} preflight samples are classified correctly; guessing among {logits.shape[1]} classes "
            f"gives {percent(chance)}. The model's commonest answer makes up {percent(commonest / n)}.",
            "Check --mean, --std, --input-range, --layout and the order of the classes against the pipeline that "
            "the model was trained with."
            + ("" if certain else " More samples would tell whether this is chance: raise --samples."),
            evidence={"accuracy": k / n, "by guessing": chance, "share of the commonest answer": commonest / n},
        )


def _explained(scene: Scene) -> bool:
    """Whether a check that comes later says why the accuracy is poor; its remedy is worth more than ours."""
    return any(f.severity is Severity.BLOCK for check in _EXPLANATIONS for f in check().inspect(scene))
