"""The few numbers that every format states, with their denominators."""

from __future__ import annotations

from collections.abc import Iterator

from auditor.formats import words
from auditor.result.record import ModelResult, Result, ThreatResult

UPPER_BOUND = (
    "Robust accuracy is an upper bound: it counts what these attacks could not break, "
    "and a stronger attack may break more."
)


def confidence(result: Result) -> float:
    """The confidence of every interval in the record."""
    value = result.settings.get("confidence", 0.95)
    return float(value) if isinstance(value, int | float) and 0.0 < value < 1.0 else 0.95


def left_out(result: Result) -> Iterator[str]:
    """Samples that could not be read, and plugins that broke: what a reader must not miss, a sentence each."""
    skipped = result.data.skipped
    if skipped:
        named = "; ".join(f"{item.name}: {item.reason}" for item in skipped[:5])
        more = f"; and {len(skipped) - 5} more, named in result.json" if len(skipped) > 5 else ""
        yield f"Left out, since they could not be read: {words.count(len(skipped), 'sample')} ({named}{more})."
    for failure in result.plugin_failures:
        plugin, stage, error = (failure.get(key, "") for key in ("plugin", "stage", "error"))
        yield f"The plugin {plugin} is broken, at {stage}: {error}. What it offers is missing here."


def samples(share: float, n: int) -> int:
    """How many of `n` samples a share of the record stands for."""
    return round(share * n)


def clean_text(model: ModelResult) -> str:
    """`93.2%`, or that it is not known."""
    return words.NOT_EVALUATED if model.clean_accuracy is None else words.percent(model.clean_accuracy)


def robust_text(threat: ThreatResult) -> str:
    """`42.1%`; where some samples were not evaluated, what is known: `not evaluated (at most 50.0%)`."""
    if threat.robust_accuracy is not None:
        return words.percent(threat.robust_accuracy)
    return f"{words.NOT_EVALUATED} (at most {words.percent(threat.robust_upper_bound)})"


def robust_samples(threat: ThreatResult, n: int) -> str:
    """`421 of 1,000 samples`, with what is missing."""
    if threat.robust_accuracy is not None:
        return f"{words.count(samples(threat.robust_accuracy, n))} of {words.count(n, 'sample')}"
    return f"{words.count(threat.not_evaluated)} of {words.count(n, 'sample')} not evaluated"


def forecast_text(threat: ThreatResult) -> str:
    """`With twice the passes we expect at most 0.2 points less.`; nothing where it cannot be told."""
    if threat.forecast is None:
        return ""
    early = "Stopped early: with" if threat.forecast.stopped_early else "With"
    return f"{early} twice the passes we expect {words.at_most(threat.forecast.high)} less."


def forecasts(model: ModelResult) -> Iterator[str]:
    """What is expected of each threat, a sentence each."""
    for threat in model.threats:
        if text := forecast_text(threat):
            yield f"{words.threat(threat.norm, threat.eps)}: {text}"


def facts(result: Result) -> tuple[tuple[str, str], ...]:
    """What another person needs to repeat the run, as names and values."""
    settings = result.settings
    given = [("command", result.command), ("started", result.started), ("took", words.seconds(result.seconds))]
    given += [("seed", str(settings.get("seed", ""))), ("suite", str(settings.get("suite", "")))]
    given += [("data", result.data.source), ("data sha256", result.data.sha256)]
    for model in result.models:
        given += [("model", model.path), ("model sha256", model.sha256)]
    given += [(name, value) for name, value in result.environment.items()]
    return tuple((name, value) for name, value in given if value)
