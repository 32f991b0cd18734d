"""Are the samples worth a number?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.check import Finding, Severity
from auditor_checks._answers import clean_logits
from auditor_checks._base import TrustCheck, share

if TYPE_CHECKING:
    from auditor.engine.scene import Scene

_SOME, _MOST = 0.01, 0.5
# A class is missed where a random sample of this size would lack any class less often than this.
_UNLIKELY = 0.01


class SampleQuality(TrustCheck):
    """The samples are different pictures of all classes.

    Seen: duplicates, pictures of a single colour, one picture under two labels, or classes without any sample.
    Means: duplicates make intervals too narrow; single-coloured pictures come from decoding gone wrong; an accuracy
        over some classes is not the model's. Sorted data cut short is the usual cause of the last.
    Measured: the preflight samples byte by byte, and all labels of the data.
    Threshold: more than 1 % duplicates or single-coloured pictures warn, more than half of the latter stop; missing
        classes warn where a random choice of as many samples would hardly lack one (all proposed).
    Do: take the samples at random (`--samples N` does, class by class), and leave copies out.
    """

    code: ClassVar[str] = "AUD116"
    title: ClassVar[str] = "Samples repeat themselves"

    def inspect(self, scene: Scene) -> Iterator[Finding]:
        yield from self._copies(scene)
        yield from self._constant(scene)
        yield from self._classes(scene)

    def _copies(self, scene: Scene) -> Iterator[Finding]:
        labels: dict[bytes, set[int]] = {}
        for picture, label in zip(scene.x, scene.y.tolist(), strict=True):
            labels.setdefault(picture.numpy().tobytes(), set()).add(label)
        n, copies = len(scene.x), len(scene.x) - len(labels)
        contradictions = sum(len(given) > 1 for given in labels.values())
        if copies > _SOME * n or contradictions:
            also = f" {contradictions} pictures appear under more than one label." if contradictions else ""
            yield self.finding(
                Severity.WARN,
                f"{share(copies, n)} preflight samples are copies of others.{also}",
                "Leave copies out, so that intervals mean what they say.",
                evidence={"copies": copies, "under several labels": contradictions, "samples": n},
            )

    def _constant(self, scene: Scene) -> Iterator[Finding]:
        flat = scene.x.flatten(1)
        n, plain = len(flat), int((flat.amax(1) == flat.amin(1)).sum())
        if plain > _SOME * n:
            yield self.finding(
                Severity.BLOCK if plain > _MOST * n and n > 1 else Severity.WARN,
                f"{share(plain, n)} preflight samples have the same value in every pixel.",
                "Look at them: files that decode to a blank picture are damaged or in a format that was misread.",
                title="Samples are blank",
                evidence={"blank": plain, "samples": n},
            )

    def _classes(self, scene: Scene) -> Iterator[Finding]:
        labels, count = scene.samples.labels, clean_logits(scene).shape[1]
        n, present = len(labels), torch.unique(labels)
        missing = count - int(((present >= 0) & (present < count)).sum())
        if len(present) == 1 and n > 1:
            yield self.finding(
                Severity.WARN,
                f"All {n} samples have label {int(present[0])}: a model that always answers so would be perfect.",
                "Take samples of all classes.",
                title="The data has one class",
            )
        elif missing and count * (1.0 - 1.0 / count) ** n < _UNLIKELY:
            in_order = bool((labels.diff() >= 0).all())
            yield self.finding(
                Severity.WARN,
                f"{share(missing, count)} classes of the model have no sample among {n}"
                + (
                    ", and the samples are sorted by class: they look like the first part of a sorted set."
                    if in_order
                    else "."
                ),
                "Take the samples at random from the whole set; --samples N does so, class by class.",
                title="Classes have no samples",
                evidence={"classes without samples": missing, "classes": count, "samples": n},
            )
