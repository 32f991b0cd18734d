"""What one matrix says, in sentences that hold within its intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from auditor.formats import words
from auditor.formats.views.transfer.agreement import explained
from auditor.formats.views.transfer.order import above_noise
from auditor.formats.views.transfer.shares import Counts, First, beyond, first, pooled
from auditor.result.transfer import TransferCell, TransferMatrix, TransferResult

RISK = (
    "A transfer is a risk: whoever has one of these models, or trains a similar one, can attack the others without "
    "seeing them. The reverse does not hold. Where little travels, these sources were not enough; that is no evidence "
    "of robustness."
)
_NAMED = 4
"""So many names stand in a sentence; of more, the count is told."""


@dataclass(frozen=True)
class Worst:
    """The group of models whose examples fool a target most often, and how that compares with single models."""

    target: str
    source: str
    rate: float
    interval: tuple[float, float]
    among: int
    said: str


@dataclass(frozen=True)
class Reading:
    """One matrix in words."""

    title: str
    sentences: tuple[str, ...]
    masked: tuple[str, ...]
    """Signs that a target masks its gradients, a sentence each."""
    above: frozenset[tuple[str, str]]
    """Source and target of the cells that lie above noise for certain."""
    groups: tuple[Worst, ...]


def title(matrix: TransferMatrix, settings: Mapping[str, Any] | None = None) -> str:
    """`mifgsm within linf 8/255`."""
    return f"{matrix.attack} within {words.threat(matrix.norm, matrix.eps, settings)}"


def read(
    matrix: TransferMatrix,
    confidence: float,
    settings: Mapping[str, Any] | None = None,
    classes: tuple[str, ...] | None = None,
) -> Reading:
    """What a matrix says; `classes` are the names of labels."""
    members = {source.name: source.members for source in matrix.sources}
    # What was made on the target, alone or among others, is no transfer to it.
    travel = [cell for cell in matrix.cells if cell.rate is not None and cell.target not in members[cell.source]]
    single = [cell for cell in travel if len(members[cell.source]) == 1]
    above = frozenset(_above_noise(travel, confidence))
    sentences = (
        *_surrogate(single, confidence),
        *_targets(single, confidence),
        *_pairs(single, above),
        *_classes(single, confidence, classes),
    )
    return Reading(
        title=title(matrix, settings),
        sentences=sentences or ("No transfer was measured.",),
        masked=tuple(_masked(single, confidence)),
        above=above,
        groups=tuple(_groups(matrix.targets, travel, members, confidence)),
    )


def agreement_text(result: TransferResult, confidence: float) -> str:
    """Whether agreement of clean errors explains transfer; empty where too few models can be paired to tell."""
    found = explained(result)
    if found is None:
        return ""
    rho = f"rank correlation {found.correlation:.2f} over {words.count(found.pairs, 'pair')}, p {_p(found.p)}"
    if found.p > 1.0 - confidence:
        return f"Whether models that err on the same clean samples also share weaknesses cannot be told ({rho})."
    if found.correlation > 0.0:
        return f"The more two models err on the same clean samples, the more travels between them ({rho})."
    return f"The more two models err on the same clean samples, the less travels between them ({rho})."


def _p(value: float) -> str:
    return f"= {value:.2g}" if value >= 0.001 else "< 0.001"


def _counts(cells: Sequence[TransferCell], key: str) -> dict[str, list[Counts]]:
    named: dict[str, list[Counts]] = {}
    for cell in cells:
        named.setdefault(getattr(cell, key), []).append((cell.fooled, cell.among))
    return named


def _surrogate(cells: Sequence[TransferCell], confidence: float) -> Iterator[str]:
    best = first(_counts(cells, "source"), confidence)
    if best is None:
        return
    if not best.settled:
        yield f"Which model is the best surrogate cannot be told: {_leads(best)}, but all are level within intervals."
        return
    yield f"Best surrogate: {_leads(best)}{_level(best)}."


def _targets(cells: Sequence[TransferCell], confidence: float) -> Iterator[str]:
    named = _counts(cells, "target")
    if len(cells) < 3:
        return  # Between two models, the better surrogate says it all.
    most, least = first(named, confidence), first(named, confidence, lowest=True)
    if most is None or least is None:
        return
    if not most.settled and not least.settled:
        yield f"Which target is exposed most cannot be told: {_falls(most)}, but all are level within intervals."
        return
    yield f"Most exposed: {_falls(most)}{_level(most)}."
    yield f"Least exposed to these sources: {_falls(least)}{_level(least)}."


def _pairs(cells: Sequence[TransferCell], above: frozenset[tuple[str, str]]) -> Iterator[str]:
    by = {(cell.source, cell.target): cell for cell in cells}
    both = [(a, b) for a, b in by if a < b and (b, a) in by]
    if not both:
        return
    sharing = [pair for pair in both if pair in above and pair[::-1] in above]

    def weakest(pair: tuple[str, str]) -> float:
        return min(above_noise(by[pair]) or 0.0, above_noise(by[pair[::-1]]) or 0.0)

    sharing.sort(key=weakest, reverse=True)
    if sharing:
        shown = "; ".join(f"{a} and {b}" for a, b in sharing[:_NAMED])
        more = f"; and {len(sharing) - _NAMED} more" if len(sharing) > _NAMED else ""
        many = f"{len(sharing)} of {words.count(len(both), 'pair')}"
        share = "shares" if len(sharing) == 1 else "share"
        yield f"{many} {share} weaknesses, both ways above noise of the same size: {shown}{more}."
    if left := len(both) - len(sharing):
        which = f"{left} of {words.count(len(both), 'pair')}" if sharing else f"all {len(both)} pairs"
        which = "the pair" if len(both) == 1 else which
        yield f"Of {which}, at least one direction cannot be told apart from noise."


def _classes(cells: Sequence[TransferCell], confidence: float, names: tuple[str, ...] | None) -> Iterator[str]:
    named: dict[str, list[Counts]] = {}
    for cell in cells:
        for line in cell.classes:
            named.setdefault(words.class_name(line.label, names), []).append((line.fooled, line.among))
    best = first(named, confidence)
    if best is None:
        return
    lead = f"{best.name} ({_said(best)} of its samples)"
    if best.settled:
        yield f"The class that travels most: {lead}{_level(best)}."
    else:
        yield f"Which class travels most cannot be told: {lead} is ahead, but all are level within intervals."


def _masked(cells: Sequence[TransferCell], confidence: float) -> Iterator[str]:
    known = [cell for cell in cells if cell.direct is not None]
    decided = beyond([(cell.fooled, cell.direct or 0, cell.among) for cell in known], confidence)
    stronger: dict[str, list[TransferCell]] = {}
    for cell, more in zip(known, decided, strict=True):
        if more:
            stronger.setdefault(cell.target, []).append(cell)
    for target, by in stronger.items():
        by.sort(key=lambda cell: -cell.fooled / cell.among)
        sources = _listed([f"{cell.source} ({words.percent(cell.fooled / cell.among)})" for cell in by])
        own = words.percent((by[0].direct or 0) / by[0].among)
        yield (
            f"{target} falls to examples made on {sources} more often than to the same attack made on itself ({own}): "
            "a sign that its gradients mislead attacks, and that its robust accuracy is flattered."
        )


def _groups(
    targets: Sequence[str], cells: Sequence[TransferCell], members: Mapping[str, tuple[str, ...]], confidence: float
) -> Iterator[Worst]:
    for target in targets:
        here = [cell for cell in cells if cell.target == target and cell.among]
        groups = {cell.source: [(cell.fooled, cell.among)] for cell in here if len(members[cell.source]) > 1}
        alone = {cell.source: [(cell.fooled, cell.among)] for cell in here if len(members[cell.source]) == 1}
        if not groups:
            continue
        name = max(groups, key=lambda group: groups[group][0][0] / groups[group][0][1])
        share = pooled(groups[name], confidence)
        assert share is not None  # The cell holds samples.
        told = first({name: groups[name], **alone}, confidence)
        yield Worst(target, name, share.value, share.interval, groups[name][0][1], _beside(name, told))


def _beside(group: str, told: First | None) -> str:
    if told is None:
        return "no single model to compare with"
    if told.name == group:
        return f"cannot be told apart from {_listed(told.level)}" if told.level else "above every single model"
    if group in told.level:
        return f"cannot be told apart from {told.name}"
    return f"below {told.name} alone"


def _above_noise(cells: Sequence[TransferCell], confidence: float) -> Iterator[tuple[str, str]]:
    known = [cell for cell in cells if cell.noise is not None]
    decided = beyond([(cell.fooled, cell.noise or 0, cell.among) for cell in known], confidence)
    for cell, more in zip(known, decided, strict=True):
        if more:
            yield cell.source, cell.target


def _leads(best: First) -> str:
    return f"what is made on {best.name} fools other models in {_said(best)} of tries"


def _falls(best: First) -> str:
    return f"{best.name}, fooled by {_said(best)} of what is made on other models"


def _said(best: First) -> str:
    return f"{words.percent(best.share.value)} ({words.interval(best.share.interval)})"


def _level(best: First) -> str:
    return f"; cannot be told apart from {_listed(best.level)}" if best.level else ""


def _listed(names: Sequence[str]) -> str:
    if len(names) > _NAMED:
        return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more"
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1]
