"""`study.html`: the study as one self-contained page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from auditor.formats import words
from auditor.formats.html.charts.heat import HeatMap, heat_map
from auditor.formats.html.environment import render
from auditor.formats.views.transfer.reading import RISK
from auditor.study.transfer.reading import BESIDE, above, facts, sentences, share, size
from auditor.study.transfer.record import Experiment, Study, Travel

Told = tuple[str, str, str]


@dataclass(frozen=True, kw_only=True)
class NetworkLine:
    """A network; each figure is a value, its interval and the paper's, which may be empty."""

    name: Annotated[str, "As the paper writes it."]
    text: Annotated[str, "What it is."]
    data: Annotated[str, "What it was trained on."]
    train: Annotated[Told, "Error on that."]
    test: Annotated[Told, "Error on held-out samples."]
    size: Annotated[Told, "The smallest change that fools it, on the mean."]
    found: Annotated[str, "Of how many samples one was found."]


@dataclass(frozen=True, kw_only=True)
class TravelLine:
    """A cell, as a line of a table."""

    source: Annotated[str, "What the examples were made on."]
    target: Annotated[str, "What they were tried on."]
    rate: Annotated[str, "Share fooled of the samples that both have right."]
    fooled: Annotated[str, "How many of how many."]
    interval: Annotated[str, "Interval of the rate."]
    noise: Annotated[str, "What noise of the same size fools."]
    paper: Annotated[str, "The paper's rate; may be empty."]


@dataclass(frozen=True, kw_only=True)
class TravelPart:
    """The examples of one size, tried on each other's networks."""

    title: Annotated[str, "Which examples."]
    chart: Annotated[HeatMap, "The matrix."]
    sizes: Annotated[tuple[tuple[str, Told], ...], "Sizes of what was made on each network."]
    cells: Annotated[tuple[TravelLine, ...], "The numbers behind the chart."]


@dataclass(frozen=True, kw_only=True)
class NoiseLine:
    """Plain noise of one size; each figure is a value, its interval and the paper's, which may be empty."""

    deviation: Annotated[str, "Its standard deviation."]
    size: Annotated[Told, "What is left of it after clipping."]
    rates: Annotated[tuple[Told, ...], "Share fooled, in the order of the networks."]


@dataclass(frozen=True, kw_only=True)
class ExperimentPart:
    """Networks that differ in one respect."""

    anchor: Annotated[str, "Identifier of the part."]
    title: Annotated[str, "In which respect."]
    sentences: Annotated[tuple[str, ...], "What was found."]
    networks: Annotated[tuple[NetworkLine, ...], "The networks."]
    travels: Annotated[tuple[TravelPart, ...], "What travels between them."]
    noise: Annotated[tuple[NoiseLine, ...], "What plain noise does to them."]


@dataclass(frozen=True, kw_only=True)
class StudyPage:
    """The whole page."""

    title: Annotated[str, "Title of the document."]
    confidence: Annotated[str, "Confidence of the intervals, such as `95%`."]
    risk: Annotated[str, "What a transfer means, and what it does not."]
    facts: Annotated[tuple[str, ...], "What was done."]
    beside: Annotated[str, "What differs from the paper."]
    experiments: Annotated[tuple[ExperimentPart, ...], "The experiments in order."]
    environment: Annotated[tuple[tuple[str, str], ...], "Versions, device, threads."]


def html(study: Study) -> str:
    """The page."""
    page = StudyPage(
        title="auditor: study of transfer",
        confidence=f"{100 * study.confidence:.4g}%",
        risk=RISK,
        facts=tuple(facts(study)),
        beside=BESIDE,
        experiments=tuple(_experiment(each, study.confidence) for each in study.experiments),
        environment=tuple(study.environment.items()),
    )
    return render("study.html.j2", page)


def _experiment(experiment: Experiment, confidence: float) -> ExperimentPart:
    return ExperimentPart(
        anchor=experiment.name,
        title=experiment.title,
        sentences=tuple(sentences(experiment, confidence)),
        networks=tuple(
            NetworkLine(
                name=network.name,
                text=network.text,
                data=network.data,
                train=share(network.train_error),
                test=share(network.test_error),
                size=size(network.distortion),
                found=f"{words.count(network.found)} of {words.count(network.attacked)}",
            )
            for network in experiment.networks
        ),
        travels=tuple(_travel(experiment, each, confidence) for each in experiment.travels),
        noise=tuple(
            NoiseLine(
                deviation=f"{noise.deviation:g}",
                size=size(noise.size),
                rates=tuple(
                    share(noise.rates[network.name]) if network.name in noise.rates else (words.NOT_EVALUATED, "", "")
                    for network in experiment.networks
                ),
            )
            for noise in experiment.noise
        ),
    )


def _travel(experiment: Experiment, travel: Travel, confidence: float) -> TravelPart:
    cells = {(cell.source, cell.target): cell for cell in travel.matrix.cells}
    names = travel.matrix.targets
    title = f"{experiment.title}: how often {travel.title[:1].lower()}{travel.title[1:]} fool each network"
    return TravelPart(
        title=travel.title,
        chart=heat_map(title, cells, {name: (name,) for name in names}, names, above(travel, confidence)),
        sizes=tuple((name, size(figure)) for name, figure in travel.distortions.items()),
        cells=tuple(
            TravelLine(
                source=cell.source,
                target=cell.target,
                rate=words.NOT_EVALUATED if cell.rate is None else words.percent(cell.rate),
                fooled=f"{words.count(cell.fooled)} of {words.count(cell.among)}",
                interval=words.interval(cell.interval),
                noise=words.percent((cell.noise or 0) / cell.among) if cell.among else "",
                paper=_paper(travel, cell.source, cell.target),
            )
            for cell in travel.matrix.cells
        ),
    )


def _paper(travel: Travel, source: str, target: str) -> str:
    known = travel.paper.get(source, {}).get(target)
    return "" if known is None else words.percent(known)
