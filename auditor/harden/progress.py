"""How far training is: small enough for a checkpoint, complete enough to go on from."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from auditor.harden.scores import Score

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Epoch:
    """What came of one epoch: the mean training loss and the score afterwards. Epoch 0 is the model as it was."""

    number: int
    loss: float
    score: Score
    seconds: float


@dataclass
class Progress:
    """Where training stands between two epochs.

    Attributes:
        epochs: how many there will be.  epoch, step: how many are done, and updates.
        batch_size, scale: as they are now; `scale` multiplies the learning rate.
        clean_weight: weight of the loss on clean samples, which `--keep-clean` may ask for.
        cured: whether the recipe was replaced by its cure.  setbacks: how often training was taken back.
        seconds: spent so far.  best: the epoch whose network is kept.
        stopped: why there are no more epochs, where these are fewer than planned.
        remarks: what happened that a user has to know, in sentences.
    """

    epochs: int
    batch_size: int
    epoch: int = 0
    step: int = 0
    scale: float = 1.0
    clean_weight: float = 0.0
    cured: bool = False
    setbacks: int = 0
    seconds: float = 0.0
    best: int = 0
    stopped: str = ""
    history: list[Epoch] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def done(self) -> bool:
        return bool(self.stopped) or self.epoch >= self.epochs

    @property
    def kept(self) -> Epoch:
        """The epoch whose network is kept."""
        return next(epoch for epoch in self.history if epoch.number == self.best)

    def record(self) -> dict[str, Any]:
        """As plain numbers, texts, lists and dictionaries."""
        return asdict(self)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Progress:
        """What `record` made this of."""
        history = [Epoch(**{**epoch, "score": Score(**epoch["score"])}) for epoch in record["history"]]
        return cls(**{**record, "history": history})
