"""What a study says, in sentences that hold within its intervals."""

from __future__ import annotations

from collections.abc import Iterator

from auditor.formats import words
from auditor.formats.views.transfer.reading import read
from auditor.study.transfer.record import Experiment, Figure, Study, Travel

BESIDE = (
    "The paper trained on 60,000 digits and counts natural mistakes as fooled; here only samples count that both "
    "networks have right."
)


def facts(study: Study) -> Iterator[str]:
    """What was done, a sentence each."""
    shape = " x ".join(map(str, study.shape))
    yield (
        f"{words.count(study.trained)} samples of {study.source} ({shape}, {study.classes} classes) to train on, "
        f"{words.count(study.held_out)} held out; the first {words.count(study.attacked)} of these are attacked."
    )
    networks = sum(len(experiment.networks) for experiment in study.experiments)
    yield (
        f"{words.count(networks, 'network')} trained and attacked by lbfgs in {words.seconds(study.seconds)}; "
        f"seed {study.seed}, {100 * study.confidence:.4g}% intervals."
    )
    yield from study.left_out


def sentences(experiment: Experiment, confidence: float) -> Iterator[str]:
    """What travels, for each kind of examples."""
    for travel in experiment.travels:
        yield f"{travel.title}: {_above(experiment, travel, confidence)}"
    yield from read(experiment.travels[-1].matrix, confidence).sentences[:1]


def above(travel: Travel, confidence: float) -> frozenset[tuple[str, str]]:
    """Source and target of what travels more than noise of the same size, decided together."""
    return read(travel.matrix, confidence).above


def _above(experiment: Experiment, travel: Travel, confidence: float) -> str:
    sure = above(travel, confidence)
    ways = [(a, b) for a in travel.matrix.targets for b in travel.matrix.targets if a != b]
    count = sum(way in sure for way in ways)
    if not count:
        return f"none of {words.count(len(ways), 'direction')} between networks can be told apart from noise as large."
    told = f"{_of(count, len(ways))} between networks fool more than noise of the same size"
    data = {network.name: network.data for network in experiment.networks}
    crossing = [way for way in ways if data[way[0]] != data[way[1]]]
    if crossing:
        told += f", and so do {_of(sum(way in sure for way in crossing), len(crossing))} across training sets"
    return f"{told}; the others cannot be told apart from it." if count < len(ways) else f"{told}."


def _of(count: int, whole: int) -> str:
    return f"{count} of {words.count(whole, 'direction')}"


def share(figure: Figure) -> tuple[str, str, str]:
    """A share: the value, its interval, and the paper's."""
    told = "" if figure.paper is None else words.percent(figure.paper)
    return words.percent(figure.value), words.interval(figure.interval), told


def size(figure: Figure) -> tuple[str, str, str]:
    """A distortion: the value, its interval, and the paper's."""
    low, high = figure.interval
    return f"{figure.value:.3f}", f"{low:.3f}–{high:.3f}", "" if figure.paper is None else f"{figure.paper:.3g}"
