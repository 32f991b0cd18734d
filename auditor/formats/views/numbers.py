"""The few numbers that every format states, with their denominators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from auditor.formats import words
from auditor.result.measures import ChangeResult, DropResult, SmallestResult
from auditor.result.record import ModelResult, Result, ThreatResult
from auditor.types import DRAWS

UPPER_BOUND = (
    "Robust accuracy is an upper bound: it counts what these attacks could not break, "
    "and a stronger attack may break more."
)


def confidence(result: Result) -> float:
    """The confidence of every interval in the record."""
    value = result.settings.get("confidence", 0.95)
    return float(value) if isinstance(value, int | float) and 0.0 < value < 1.0 else 0.95


def conditions(result: Result) -> Iterator[str]:
    """What else decides what the numbers mean, where it is not the usual: goal, mask, averaging; a sentence each."""
    settings = result.settings
    goal = str(settings.get("goal", "untargeted"))
    kind, _, wanted = goal.partition(":")
    if kind in ("targeted", "impersonate"):
        chosen = {"least-likely": "the class that the model finds least likely"}.get(wanted, _class(wanted, result))
        yield f"Goal: {goal}. A sample falls only where the model names the class that is wanted: {chosen}."
    if mask := settings.get("mask"):
        yield f"Only the pixels that {mask} marks white may change."
    averaged = settings.get("eot")
    for model in result.models:
        if model.draws > 1:
            # Where an answer alone proves nothing, a lead has to be beyond chance.
            lead = "" if model.certificate is None else f", beyond chance at {model.certificate.alpha:g}"
            yield (
                f"{model.name} answers at random: attacks averaged over {averaged or min(model.draws, DRAWS)} answers, "
                f"and a sample falls where most of {model.draws} fresh ones are wrong{lead}."
            )
    if (averaged or 1) > 1 and all(model.draws == 1 for model in result.models):
        yield f"Every question was averaged over {averaged} answers."
    yield from stopped(result)


def _class(wanted: str, result: Result) -> str:
    """`class 3 (bird)`, or the name by which it was asked for."""
    if not wanted.isdigit():
        return wanted
    names = next((model.classes for model in result.models if model.classes), result.data.classes)
    name = words.class_name(int(wanted), names)
    return f"class {wanted}" if name == wanted else f"class {wanted} ({name})"


def left_out(result: Result) -> Iterator[str]:
    """Samples that could not be read, and plugins that broke: what a reader must not miss, a sentence each."""
    yield from unread([(item.name, item.reason) for item in result.data.skipped], ", named in result.json")
    for failure in result.plugin_failures:
        plugin, stage, error = (failure.get(key, "") for key in ("plugin", "stage", "error"))
        yield f"The plugin {plugin} is broken, at {stage}: {error}. What it offers is missing here."


def unread(skipped: Sequence[tuple[str, str]], where: str = "") -> Iterator[str]:
    """The sentence about samples that could not be read, names and reasons, if there are any; `where` all are named."""
    if skipped:
        named = "; ".join(f"{name}: {reason}" for name, reason in skipped[:5])
        more = f"; and {len(skipped) - 5} more{where}" if len(skipped) > 5 else ""
        yield f"Left out, since they could not be read: {words.count(len(skipped), 'sample')} ({named}{more})."


def samples(share: float, n: int) -> int:
    """How many of `n` samples a share of the record stands for."""
    return round(share * n)


def clean_text(model: ModelResult) -> str:
    """`93.2%`, or that it is not known."""
    return words.NOT_EVALUATED if model.clean_accuracy is None else words.percent(model.clean_accuracy)


def robust_text(threat: ThreatResult) -> str:
    """`42.1%`; where some samples were not evaluated, what is known: `not evaluated (at most 50.0%)`.

    Where the smallest changes were looked for, their median.
    """
    if threat.smallest is not None:
        median = threat.smallest.median
        if not threat.smallest.found and threat.not_evaluated:
            return words.NOT_EVALUATED
        return "not found" if median is None else f"median {words.budget(threat.norm, median)}"
    if not threat.unknown:
        return words.percent(threat.share)
    return f"{words.NOT_EVALUATED} (at most {words.percent(threat.share)})"


def smallest_text(found: SmallestResult, norm: str, settings: Mapping[str, Any] | None = None) -> str:
    """`Half of the samples that are right fall at linf 0.12 (0.11 to 0.14).`, or that fewer fell."""
    if not found.found:
        return "No example was found for any sample."
    if found.median is None:
        return f"Examples were found for {words.count(found.found, 'sample')}, fewer than half of those that are right."
    low, high = (words.budget(norm, end) if end is not None else "?" for end in found.median_interval)
    text = f"Half of the samples that are right fall at {words.threat(norm, found.median, settings)} ({low} to {high})"
    if found.half is None:
        return f"{text}."
    half = words.budget(norm, found.half)
    return f"{text}; at {half} at most half of all samples stand."


def change_text(change: ChangeResult | None, norm: str) -> str:
    """`median 0.5 then, 0.4 now, 0.8 times as large; 70 smaller and 9 larger of 98 (p = 1e-12: worse)`, or nothing."""
    if change is None:
        return ""
    then, now = ("not found" if size is None else words.budget(norm, size) for size in (change.before, change.after))
    ratio = "" if change.ratio is None else f", {change.ratio:.3g} times as large"
    moved = f"{words.count(change.smaller)} smaller and {words.count(change.larger)} larger of {words.count(change.n)}"
    return f"median {then} then, {now} now{ratio}; {moved} (p = {change.p:.3g}: {change.word})"


def drop_text(drop: DropResult | None) -> str:
    """`88.0% then, 81.0% now, 7.0 points less (5.1 to 9.0): 75 lost and 5 gained of 1,000 (p = 1e-17: worse)`."""
    if drop is None:
        return ""
    unknown = f"; {words.count(drop.unknown, 'sample')} not evaluated in one of the runs" if drop.unknown else ""
    if not drop.n:
        return f"nothing to compare{unknown}"
    fell = drop.before - drop.after
    low, high = drop.interval if fell >= 0.0 else (-drop.interval[1], -drop.interval[0])
    change = f"{words.points(abs(fell))} {'less' if fell >= 0.0 else 'more'} ({100 * low:.1f} to {100 * high:.1f})"
    counts = f"{words.count(drop.lost)} lost and {words.count(drop.gained)} gained of {words.count(drop.n)}"
    shares = f"{words.percent(drop.before)} then, {words.percent(drop.after)} now"
    return f"{shares}, {change}: {counts} (p = {drop.p:.3g}: {drop.word}){unknown}"


def robust_samples(threat: ThreatResult, n: int) -> str:
    """`421 of 1,000 samples`, with what is missing; of the smallest changes, for how many samples one was found."""
    if threat.smallest is not None:
        return f"found for {words.count(threat.smallest.found)} of {words.count(n, 'sample')}"
    part = threat.sequential
    of = words.count(n, "sample")
    if part is not None and part.stopped:
        of, n = f"the {words.count(part.audited)} audited, of {of}", part.audited
    if not threat.unknown:
        return f"{words.count(samples(threat.share, n))} of {of}"
    return (
        f"{words.count(threat.unknown)} of {of}, not evaluated" if part else f"{threat.unknown:,} of {of} not evaluated"
    )


def right_samples(model: ModelResult, threat: ThreatResult, n: int) -> int:
    """How many samples stood before the first attack, of those that were audited."""
    return samples(model.clean_accuracy or 0.0, n) if threat.sequential is None else threat.sequential.right


def stopped(result: Result) -> Iterator[str]:
    """Where a sequential scan left samples alone, and why; a sentence for each model and threat."""
    for model in result.models:
        for threat in model.threats:
            part = threat.sequential
            if part is None or not part.stopped:
                continue
            late = any(run.status == "timed out" for run in threat.attacks)
            why = "time had run out" if late else f"the outcome is certain at {confidence(result):.0%} confidence"
            place = words.threat(threat.norm, threat.eps, result.settings)
            yield (
                f"{model.name}, {place}: stopped after {words.count(part.audited)} of "
                f"{words.count(part.of, 'sample')}, taken in random order, because {why}; "
                f"the others are {words.NOT_EVALUATED}."
            )


def forecast_text(threat: ThreatResult) -> str:
    """`With twice the passes we expect at most 0.2 points less.`; nothing where it cannot be told."""
    if threat.forecast is None:
        return ""
    early = "Stopped early: with" if threat.forecast.stopped_early else "With"
    return f"{early} twice the passes we expect {words.at_most(threat.forecast.high)} less."


def interval_text(threat: ThreatResult) -> str:
    """`38.0–46.5%`; of the smallest changes, that of their median."""
    if threat.smallest is None:
        return words.interval(threat.interval)
    if threat.smallest.median is None:
        return ""
    return "–".join("?" if end is None else words.budget(threat.norm, end) for end in threat.smallest.median_interval)


def forecasts(model: ModelResult, settings: Mapping[str, Any] | None = None) -> Iterator[str]:
    """What is expected of each threat, or what its smallest changes say, a sentence each."""
    tables: set[str] = set()
    for threat in model.threats:
        found = threat.smallest
        if text := smallest_text(found, threat.norm, settings) if found else forecast_text(threat):
            yield f"{words.threat(threat.norm, threat.eps, settings)}: {text}"
        if (text := corruption_text(threat)) and text not in tables:
            tables.add(text)
            yield text


def corruption_text(threat: ThreatResult) -> str:
    """`Mean corruption error over severities 1 to 5: 31.2%, 27.9 points above that on clean samples; worst: fog 5 …`"""
    if threat.mean_corruption_error is None or threat.relative_corruption_error is None:
        return ""
    worst = min(threat.corruptions, key=lambda cell: cell.accuracy)
    most = max(cell.severity for cell in threat.corruptions)
    over = "severity 1" if most == 1 else f"severities 1 to {most}"
    beyond = threat.relative_corruption_error
    compared = f"{words.points(abs(beyond))} {'above' if beyond >= 0.0 else 'below'} that on clean samples"
    return (
        f"Mean corruption error over {over}: {words.percent(threat.mean_corruption_error)}, {compared}; "
        f"worst: {worst.name} {worst.severity} ({words.percent(worst.accuracy)} right, "
        f"{words.interval(worst.interval)}).{_against_baseline(threat)}"
    )


def _against_baseline(threat: ThreatResult) -> str:
    share = threat.normalised_corruption_error
    return "" if share is None else f" That is {share:.0%} of the baseline's errors (mCE)."


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


_SAID = frozenset({"models", "data", "seed", "suite", "threats"})


def changed_settings(result: Result) -> tuple[tuple[str, str], ...]:
    """Settings that are not as they are by default, and not said elsewhere: names and values."""
    from auditor.settings import Settings

    fields = Settings.model_fields
    return tuple(
        (name.replace("_", "-"), str(value))
        for name, value in result.settings.items()
        if name in fields and name not in _SAID and value not in (fields[name].get_default(), [], {}, None)
    )
