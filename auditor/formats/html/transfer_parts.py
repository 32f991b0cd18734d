"""What templates can use of transfer between models: `page.transfer`, and everything below it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from auditor.formats.html.charts.heat import HeatMap
from auditor.formats.html.shown import Shown


@dataclass(frozen=True, kw_only=True)
class TransferLine:
    """A cell of a transfer matrix, as a line of a table."""

    source: Annotated[str, "What the examples were made on."]
    target: Annotated[str, "What they were tried on."]
    rate: Annotated[str, "Share of the samples that both have right which was fooled."]
    fooled: Annotated[str, "How many of how many; why not, where it was not measured."]
    interval: Annotated[str, "Interval of the rate; may be empty."]
    noise: Annotated[str, "What noise of the same size fools; may be empty."]
    direct: Annotated[str, "What the same attack fools when it is made on the target; may be empty."]
    agreed: Annotated[str, "Of the fooled, the share that both take for the same class; may be empty."]


@dataclass(frozen=True, kw_only=True)
class TransferGroup:
    """The group of models whose examples fool a target most often."""

    target: Annotated[str, "The target."]
    source: Annotated[str, "The group."]
    rate: Annotated[str, "How often they fool it."]
    interval: Annotated[str, "Its interval."]
    said: Annotated[str, "How that compares with single models."]


@dataclass(frozen=True, kw_only=True)
class TransferSource:
    """What examples were made on, and what that cost."""

    name: Annotated[str, "A model or a group."]
    made_on: Annotated[str, "The models of a group; empty for a model."]
    status: Annotated[str, "`ran`, `failed` or `timed out`, and why."]
    attacked: Annotated[str, "How many samples."]
    passes: Annotated[str, "Samples through the model, forwards and backwards."]
    seconds: Annotated[str, "Wall clock."]


@dataclass(frozen=True, kw_only=True)
class TravelledPicture:
    """An example that fooled another model than the one that it was made on."""

    shown: Annotated[tuple[Shown, ...], "The sample, what was changed, and the result."]
    pixelated: Annotated[bool, "Whether it is so small that its pixels should be seen."]
    truth: Annotated[str, "The class of the sample, which all models named here give it as it is."]
    source: Annotated[str, "What the example was made on."]
    own: Annotated[str, "What that model takes it for."]
    taken: Annotated[tuple[tuple[str, str], ...], "A class, and the other models that are fooled into it."]
    held: Annotated[str, "The models that are not fooled; may be empty."]
    sample: Annotated[str, "Number and name of the sample."]
    done: Annotated[str, "By how much the change is magnified."]


@dataclass(frozen=True, kw_only=True)
class TransferMatrix:
    """One attack within one budget."""

    anchor: Annotated[str, "Identifier of the part."]
    title: Annotated[str, "Attack, norm and budget."]
    main: Annotated[bool, "Whether it is shown in full: the strongest of its norm."]
    sentences: Annotated[tuple[str, ...], "What it says."]
    masked: Annotated[tuple[str, ...], "Signs that a target masks its gradients."]
    chart: Annotated[HeatMap, "The matrix."]
    pictures: Annotated[tuple[TravelledPicture, ...], "Some of what travelled; of matrices shown in full only."]
    no_pictures: Annotated[str, "Why there are none although something travelled; mostly empty."]
    groups: Annotated[tuple[TransferGroup, ...], "The worst group for each target; empty without groups."]
    cells: Annotated[tuple[TransferLine, ...], "The numbers behind the chart."]
    sources: Annotated[tuple[TransferSource, ...], "What examples were made on, and what that cost."]
    parameters: Annotated[tuple[tuple[str, str], ...], "Every hyper-parameter of the attack with its value."]


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """How attacks travel between the models of the run."""

    risk: Annotated[str, "What a transfer means, and what it does not."]
    agreement: Annotated[str, "Whether agreement of clean errors explains it; empty where that cannot be asked."]
    matrices: Annotated[tuple[TransferMatrix, ...], "One for each norm, budget and attack."]
    seconds: Annotated[str, "What all of it took; may be empty."]
