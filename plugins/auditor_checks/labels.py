"""Do the model and the data number the classes alike?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from auditor.check import Finding, Severity
from auditor_checks._answers import as_expected, clean_logits, or_confirm
from auditor_checks._base import TrustCheck, chance, percent
from auditor_checks._relabel import Relabelling, best_relabelling
from auditor_checks.wiring import best_variant

if TYPE_CHECKING:
    from auditor.engine.scene import Scene

_SHOWN = 20


class LabelOrder(TrustCheck):
    """The labels of the data mean the model's outputs of the same number.

    Seen: under another one-to-one numbering of the classes the model is far more accurate.
    Means: the data numbers its classes in another order (folders by alphabet, labels from 1, a background class
        first), so right answers count as wrong ones (ART #895).
    Measured: the best shift of all labels, and the best one-to-one relabelling (assignment problem on the confusion
        matrix), fitted on one half of the preflight samples and judged on the other, both ways.
    Threshold: more than 10 percentage points (proposed), with p < 0.001 in the paired exact test of McNemar; a
        warning where `--expected-clean-accuracy` says that the accuracy is as it should be.
    Do: give the class names in the order of the model's outputs with `--classes FILE`, or renumber the labels.
    """

    code: ClassVar[str] = "AUD105"
    title: ClassVar[str] = "The data numbers its classes in another order than the model"

    def inspect(self, scene: Scene) -> Iterator[Finding]:
        found = best_relabelling(scene)
        if found is None:
            return
        rewired = best_variant(scene)
        if rewired is not None and rewired.after >= found.after:
            return
        yield self.finding(
            Severity.WARN if as_expected(scene) else Severity.BLOCK,
            f"{percent(found.before)} of {len(scene.y)} preflight samples are classified as labelled, and "
            f"{percent(found.after)} if {_words(found)} (judged on samples that the numbering was not fitted to; "
            f"paired exact test: {chance(found.p)}).",
            _remedy(found, scene) + or_confirm(scene),
            title="All labels are shifted" if found.shift else None,
            evidence={"accuracy as labelled": found.before, "accuracy renumbered": found.after, "p": found.p},
        )


def _words(found: Relabelling) -> str:
    if found.shift is not None:
        return f"label L is read as output L{found.shift:+d}"
    moved = [f"{label} is output {output}" for label, output in sorted(found.output.items()) if label != output]
    more = f" and {len(moved) - _SHOWN} more" if len(moved) > _SHOWN else ""
    return f"label {', '.join(moved[:_SHOWN])}{more}"


def _remedy(found: Relabelling, scene: Scene) -> str:
    names, outputs = scene.samples.classes, clean_logits(scene).shape[1]
    if names is None:
        if found.shift is not None:
            return f"Add {found.shift:+d} to every label of the data."
        return "Renumber the labels of the data as the model numbers its outputs."
    ask = "Pass --classes FILE with the class names in the order of the model's outputs, one a line"
    by_output = {found.output.get(label, label): name for label, name in enumerate(names)}
    if len(names) > _SHOWN or sorted(by_output) != list(range(outputs)):
        return f"{ask}."
    return f"{ask}: {', '.join(by_output[output] for output in range(outputs))}."
