"""What is known of every sample under one threat, as the cascade goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from auditor.engine.aims import Aims
from auditor.result.samples_csv import Row


@dataclass(frozen=True)
class Clean:
    """What the deployed model says of the clean samples: per sample, `(n,)`."""

    labels: np.ndarray
    prediction: np.ndarray
    confidence: np.ndarray
    margin: np.ndarray
    """Largest wrong logit less the true one, or the wanted one less the largest other: negative until the goal is
    reached."""
    wanted: np.ndarray | None = None
    """The classes wanted under a targeted goal."""
    digests: tuple[str, ...] = ()
    """Of each sample's pixels and label; empty where nobody asked."""

    @property
    def correct(self) -> np.ndarray:
        """Which samples are classified correctly, `(n,)` bool."""
        same: np.ndarray = np.equal(self.prediction, self.labels)
        return same

    @property
    def attackable(self) -> np.ndarray:
        """Which samples are classified correctly, and as another class than the one wanted, `(n,)` bool."""
        return self.correct if self.wanted is None else self.correct & (self.labels != self.wanted)

    def aims(self, indices: np.ndarray, device: torch.device) -> Aims:
        """What counts as success for some samples."""
        y, wanted = (None if v is None else torch.from_numpy(v[indices]).to(device) for v in (self.labels, self.wanted))
        assert y is not None
        return Aims(y, wanted)


@dataclass(frozen=True)
class Break:
    """A counted adversarial example, without its pixels."""

    index: int
    prediction: int
    confidence: float
    distance: float
    survives_rounding: bool
    passes: int | None = None
    """Passes spent on this sample under this threat, by all attacks together, until it fell; None: not counted."""


@dataclass
class Standing:
    """Who fell to what. `cut` marks samples on which some attack was stopped before it was done; `spent` holds the
    passes that all attacks together spent on a sample, as far as they were counted. `among`, `(n,)` bool, are those
    that are attacked now, and in the end those that were; None: all.

    Where the smallest changes are looked for (`minimal`), nobody is ever done with: smaller examples replace others.
    """

    clean: Clean
    minimal: bool = False
    broken_by: dict[int, tuple[str, Break]] = field(default_factory=dict)
    cut: set[int] = field(default_factory=set)
    looked: set[int] = field(default_factory=set)
    blind: set[int] = field(default_factory=set)
    """Samples around which an attack could look, and those on which the gradients of one were not finite. What only
    such attacks looked at was not evaluated."""
    spent: dict[int, int] = field(default_factory=dict)
    among: np.ndarray | None = None
    fooled: np.ndarray | None = None
    """Of a model that answers at random: how many fresh draws were wrong at each sample's worst point, `(n,)`; negative
    where nobody asked."""

    @property
    def unknown(self) -> set[int]:
        """Samples that were not attacked to the end, or on which every attack was blind."""
        return self.cut | (self.blind - self.looked)

    @property
    def audited(self) -> np.ndarray:
        """Positions of the samples that are looked at, ascending."""
        return np.arange(len(self.clean.labels)) if self.among is None else np.flatnonzero(self.among)

    def fell(self, index: int) -> bool:
        """Whether an example is known for this sample."""
        return index in self.broken_by

    def standing(self) -> np.ndarray:
        """Positions of the samples that are classified correctly and not done with yet, ascending."""
        mask = self.clean.attackable.copy()
        if not self.minimal:
            mask[list(self.broken_by)] = False
        if self.among is not None:
            mask &= self.among
        return np.flatnonzero(mask)

    def note(self, attack: str, breaks: Sequence[Break]) -> None:
        """Count what `attack` broke; the first attack to break a sample keeps it, or that with the smallest change."""
        for item in breaks:
            known = self.broken_by.get(item.index)
            if known is None or (self.minimal and item.distance < known[1].distance):
                self.broken_by[item.index] = (attack, item)
            self.cut.discard(item.index)

    def outcome(self, index: int) -> str:
        """`misclassified`, `broken`, `not_evaluated` or `robust`."""
        if not self.clean.correct[index]:
            return "misclassified"
        if index in self.broken_by:
            return "broken"
        return "not_evaluated" if index in self.unknown else "robust"

    def rows(self, model: str, norm: str, eps: float, names: Sequence[str]) -> Iterator[Row]:
        """The rows of `samples.csv` for this threat."""
        for i, label in enumerate(self.clean.labels.tolist()):
            by, found = self.broken_by.get(i, ("", None))
            yield Row(
                model=model,
                norm=norm,
                eps=eps,
                index=i,
                label=label,
                clean_prediction=int(self.clean.prediction[i]),
                clean_correct=bool(self.clean.correct[i]),
                outcome=self.outcome(i),
                broken_by=by,
                adversarial_prediction=found.prediction if found else None,
                adversarial_confidence=found.confidence if found else None,
                distance=found.distance if found else None,
                clean_confidence=float(self.clean.confidence[i]),
                name=names[i],
                passes=found.passes if found else self.spent.get(i),
                digest=self.clean.digests[i] if self.clean.digests else "",
                fooled_draws=None if self.fooled is None or self.fooled[i] < 0 else int(self.fooled[i]),
            )
