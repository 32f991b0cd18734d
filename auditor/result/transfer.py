"""How attacks travel between the models of a run: what fools one is tried on each of the others.

A transfer is a risk and a sign of masking, never support for a claim of robustness: what fails to transfer today only
says that these sources were not enough.
"""

from __future__ import annotations

from typing import Any, Literal

from auditor.result.frozen import Frozen
from auditor.result.statistics import Interval
from auditor.settings import Budget
from auditor.types import Norm


class ClassCount(Frozen):
    """Of the samples with one label: those that both models had right, and those of them that were fooled."""

    label: int
    among: int
    fooled: int


class TransferSource(Frozen):
    """What examples were made on: a model, or several at once. Counts are samples, passes samples through a model."""

    name: str
    members: tuple[str, ...]
    """Names of the models; one, unless it is an ensemble."""
    status: Literal["ran", "failed", "timed out"]
    reason: str = ""
    attacked: int = 0
    seconds: float = 0.0
    forwards: int = 0
    backwards: int = 0


class TransferCell(Frozen):
    """Examples made on `source`, tried on `target`. `rate` is None where it was not measured, and `reason` says why.

    All counts are of the same samples: those that the source (each of its members) and the target have right as they
    are.
    """

    source: str
    target: str
    among: int = 0
    fooled: int = 0
    rate: float | None = None
    interval: Interval | None = None
    agreed: int = 0
    """Fooled ones to which the target gives the very label that the source gives them."""
    noise: int | None = None
    """The floor: how many of them plain noise of the same size fools."""
    direct: int | None = None
    """The ceiling: how many of them the same attack fools when it is made on the target; None where it has no
    gradients."""
    classes: tuple[ClassCount, ...] = ()
    reason: str = ""
    seconds: float = 0.0


class TravelledAnswer(Frozen):
    """What one model says of an example; `fooled` says whether that is what the attack wanted."""

    model: str
    label: int
    fooled: bool


class Travelled(Frozen):
    """An example that fooled another model than the one that it was made on, for a report to show."""

    source: str
    index: int
    """The sample's position in the data."""
    label: int
    answers: tuple[TravelledAnswer, ...]
    """Of the models that have the sample right as it is, in their order, its source among them."""


class TransferMatrix(Frozen):
    """One attack within one budget: a row per source, a column per target. A cell whose source is its target shows
    what the attack does to the model that it was made on.

    After the models come the ensembles, if asked for. Each was put together against one target, and has a cell for that
    target alone.
    """

    norm: Norm
    eps: Budget
    attack: str
    """How tables call it."""
    parameters: dict[str, Any]
    sources: tuple[TransferSource, ...]
    targets: tuple[str, ...]
    cells: tuple[TransferCell, ...]
    travelled: tuple[Travelled, ...] = ()
    """A few of the examples that travelled, chosen evenly over sources and classes; their images are in `transfer/`."""


class Agreement(Frozen):
    """Two models on clean samples: whether what one gets wrong is what the other gets wrong."""

    first: str
    second: str
    both_wrong: int
    first_wrong: int
    second_wrong: int
    same_wrong_label: int
    n: int
    kappa: float | None = None
    """Cohen's, of being wrong: 0 as by chance, 1 always together; None where one is always or never wrong."""


class TransferResult(Frozen):
    """All matrices of a run, over the models that could be audited."""

    models: tuple[str, ...]
    matrices: tuple[TransferMatrix, ...]
    agreements: tuple[Agreement, ...] = ()
    left_out: tuple[str, ...] = ()
    """What was asked for and has no matrix, and why: a sentence each."""
    seconds: float = 0.0
