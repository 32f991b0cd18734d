"""How many classes are there, and do the labels lie among them?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from auditor.check import Finding, Severity
from auditor_checks._answers import clean_logits
from auditor_checks._base import TrustCheck

if TYPE_CHECKING:
    from auditor.engine.scene import Scene

_TARGETED_DLR, _DLR = 4, 3


class ClassCount(TrustCheck):
    """The labels lie among the model's classes, and there are enough classes for every loss.

    Seen: labels that the model has no output for; a model with one output; a model with two or three classes.
    Means: a label without an output cannot be right. One class leaves an attacker nothing to reach. With two or
        three classes the difference-of-logits ratio does not exist (auto-attack #70), and attacks fall back on the
        plain difference of logits.
    Measured: the width of the model's answer against all labels of the data; needs no pass of its own.
    Threshold: any label outside; fewer than 2 classes; fewer than 3 (DLR) or 4 (targeted DLR) for information (Croce
        & Hein, arXiv:2003.01690).
    Do: name the classes in the model's order with `--classes FILE`, or renumber the labels from 0.
    """

    code: ClassVar[str] = "AUD110"
    title: ClassVar[str] = "Labels lie outside the model's classes"

    def inspect(self, scene: Scene) -> Iterator[Finding]:
        count, labels = clean_logits(scene).shape[1], scene.samples.labels
        low, high = int(labels.min()), int(labels.max())
        if count < 2:
            yield self.finding(
                Severity.BLOCK,
                "The model answers every sample with a single number that is no score of two classes.",
                "Name the output with the class scores: --output NAME.",
                title="The model has one class",
            )
        elif low < 0 or high >= count:
            yield self.finding(
                Severity.BLOCK,
                f"The data has labels from {low} to {high}, and the model has outputs 0 to {count - 1}.",
                "Subtract 1 from every label: they seem to start at 1."
                if (low, high) == (1, count)
                else "Give the class names in the model's order with --classes FILE, or renumber the labels from 0.",
            )
        elif count < _TARGETED_DLR:
            losses = "DLR and targeted DLR" if count < _DLR else "targeted DLR"
            yield self.finding(
                Severity.INFO,
                f"With {count} classes the losses {losses} do not exist; attacks use the difference of logits.",
                title=f"The model has {count} classes only",
            )
