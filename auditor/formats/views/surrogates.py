"""What stood in for a model, what that cost, and what it broke."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from auditor.formats import words

if TYPE_CHECKING:
    from auditor.result.record import AttackRun, ModelResult, ThreatResult
    from auditor.result.surrogates import SurrogateResult

_TOGETHER = "all of them at once"


@dataclass(frozen=True, kw_only=True)
class SurrogateLine:
    """One surrogate."""

    name: Annotated[str, "As attacks are called after it."]
    source: Annotated[str, "What the user named, with its options."]
    queries: Annotated[str, "Questions that the model was asked to train it; empty for a model that was given."]
    alike: Annotated[str, "To how many clean samples it gives the model's label; why it was left out, if it was."]
    interval: Annotated[str, "Of that share; may be empty."]
    broke: Annotated[str, "What examples made on it broke, of those that stood then; empty where none were made."]


def surrogate_lines(model: ModelResult, settings: Mapping[str, Any] | None = None) -> Iterator[SurrogateLine]:
    """A line for each, and one for all together where that was tried."""
    for each in model.surrogates:
        yield SurrogateLine(
            name=each.name,
            source=_source(each),
            queries=words.count(each.queries) if each.queries else "",
            alike=f"left out: {each.left_out}" if each.left_out else _alike(each),
            interval=words.interval(each.agreement_interval),
            broke=_broke(model, each.name, settings),
        )
    named = {each.name for each in model.surrogates}
    for name in dict.fromkeys(name for _, name, _ in _runs(model) if name not in named):
        if broke := _broke(model, name, settings):
            yield SurrogateLine(name=name, source=_TOGETHER, queries="", alike="", interval="", broke=broke)


def surrogate_sentences(model: ModelResult, settings: Mapping[str, Any] | None = None) -> Iterator[str]:
    """A sentence for each surrogate that was tried, and one about the passes through all of them; those that were left
    out have a finding."""
    left_out = {each.name for each in model.surrogates if each.left_out}
    for line in surrogate_lines(model, settings):
        if line.name not in left_out:
            trained = f", trained on {line.queries} queries" if line.queries else ""
            unseen = " that it was not trained on" if line.queries else ""
            alike = f"it gives the model's label to {line.alike}{unseen}" if line.alike else line.source
            broke = f"; examples made on it broke {line.broke}" if line.broke else ""
            yield f"surrogate {line.name}{trained}: {alike}{broke}."
    if passes := surrogate_passes(model):
        yield f"{words.count(passes)} passes went through surrogates, beside those in the table."


def surrogate_passes(model: ModelResult) -> int:
    """Passes through surrogates, forwards and backwards."""
    return sum(run.surrogate_forwards + run.surrogate_backwards for _, _, run in _runs(model))


def _runs(model: ModelResult) -> Iterator[tuple[ThreatResult, str, AttackRun]]:
    """What was made on surrogates: the threat, the surrogate's name and the attack."""
    for threat in model.threats:
        for run in threat.attacks:
            if run.attack == "surrogate":
                yield threat, str(run.parameters.get("surrogate", run.name)), run


def _broke(model: ModelResult, name: str, settings: Mapping[str, Any] | None) -> str:
    """`3 of 21 that stood under linf 0.1, 0 of 4 that stood under linf 0.3`."""
    return ", ".join(
        f"{words.count(run.broken)} of {words.count(run.attacked)} that stood under "
        f"{words.threat(threat.norm, threat.eps, settings)}"
        for threat, surrogate, run in _runs(model)
        if surrogate == name and run.attacked
    )


def _source(record: SurrogateResult) -> str:
    said = ", ".join(f"{key.replace('_', '-')} {value}" for key, value in record.options.items())
    return f"{record.source} ({said})" if said else record.source


def _alike(record: SurrogateResult) -> str:
    if not record.samples:
        return "0 samples, since none was left to compare it on"
    agreed = round((record.agreement or 0.0) * record.samples)
    return f"{agreed} of {words.count(record.samples, 'sample')}"
