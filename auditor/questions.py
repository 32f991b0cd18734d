"""What each gate asks: a rule for a model and a threat, as an interval and a threshold.

Every rule asks whether something is at least a threshold: a share, or, where a drop is limited, less the drop.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from auditor.result.anytime import anytime
from auditor.result.paired import drop_bounds
from auditor.result.record import ExpectationResult, GateResult, ModelResult, ThreatResult
from auditor.result.simultaneous import Question
from auditor.result.statistics import Interval, clopper_pearson, samples_to_decide

if TYPE_CHECKING:
    from auditor.result.paired import Bounds
    from auditor.result.record import DropResult
    from auditor.settings import Settings


@dataclass(frozen=True)
class Asked:
    """A gate before it is decided. `counts` are of `n` samples: one for a share; lost, gained and unknown for a drop.

    Attributes:
        doubts: why it cannot pass, whatever the interval says.
        said: what else a reader should know.
        share: the kind of interval for a share.
    """

    gate: GateResult
    counts: tuple[int, ...]
    n: int
    doubts: tuple[str, ...] = ()
    said: str = ""
    share: Bounds = clopper_pearson

    @property
    def drop(self) -> bool:
        """Whether little is wanted, not much."""
        return self.gate.rule == "max_drop"

    @property
    def question(self) -> Question:
        """As one of at least: a drop of at most a tenth is a gain of at least minus a tenth."""
        return self._question(1.0)

    def _question(self, times: float) -> Question:
        sign = -1.0 if self.drop else 1.0
        return Question(partial(self._bounds, times), sign * self.gate.threshold)

    def _bounds(self, times: float, confidence: float) -> Interval:
        n = round(times * self.n)
        counts = [min(n, round(times * count)) for count in self.counts]
        if not self.drop:
            return self.share(counts[0], n, confidence)
        lost, gained, unknown = counts
        low, high = drop_bounds(lost, gained, n, confidence, unknown=unknown, share=self.share)
        return (-high, -low)

    def needed(self, confidence: float) -> int | None:
        """How many samples would decide at this confidence, if the shares stay as measured; None where none would."""
        if self.gate.value is None or not self.n:
            return None

        def decided(n: int) -> bool:
            question = self._question(n / self.n)
            low, high = question.bounds(confidence)
            return low >= question.threshold or high < question.threshold

        return samples_to_decide(decided, self.n + 1)


def asked(settings: Settings, models: Iterable[ModelResult], n: int) -> Iterator[Asked]:
    """Every gate that the settings ask for; `n` samples in all."""
    for model in models:
        if model.clean_accuracy is None:
            continue
        if settings.min_clean_accuracy is not None:
            yield _clean(model, settings.min_clean_accuracy, n)
        threats = [threat for threat in model.threats if not threat.minimal]
        if settings.min_robust_accuracy is not None:
            yield from (_robust(model, threat, settings.min_robust_accuracy, n) for threat in threats)
        if settings.max_drop is not None:
            yield from (_drop(model, threat, settings.max_drop) for threat in threats)


def doubts_of(model: ModelResult) -> tuple[str, ...]:
    """Why this model's evaluation cannot be trusted to the end: the titles of its inconclusive findings."""
    return tuple(f"{f.code}: {f.title}" for f in model.findings if f.severity == "inconclusive")


def _gate(rule: str, model: ModelResult, value: float | None, threshold: float) -> GateResult:
    return GateResult(rule=rule, value=value, threshold=threshold, outcome="inconclusive", model=model.name)


def _clean(model: ModelResult, threshold: float, n: int) -> Asked:
    assert model.clean_accuracy is not None
    gate, count = _gate("min_clean_accuracy", model, model.clean_accuracy, threshold), round(model.clean_accuracy * n)
    if model.expectation is not None:
        n, count = _without_chance(n, count, model.expectation)
    return Asked(gate, (count,), n)


def _without_chance(n: int, count: int, expected: ExpectationResult) -> tuple[int, int]:
    """The share `count / n` of as many samples as leave no more doubt than samples and draws do."""
    most = min(n, expected.effective_samples)
    return most, round(most * count / max(1, n))


def _robust(model: ModelResult, threat: ThreatResult, threshold: float, n: int) -> Asked:
    # What preview attacks alone broke counts as standing here: they are shown, and never gate.
    preview = sum(run.broken for run in threat.attacks if run.stage != "stable")
    value = None if threat.robust_accuracy is None else threat.robust_accuracy + preview / n
    count, share = round(threat.robust_upper_bound * n) + preview, clopper_pearson
    if (part := threat.sequential) is not None:
        n, count, share = part.audited, part.robust + part.not_evaluated + preview, anytime
        value = None if part.not_evaluated else count / n
    if threat.expectation is not None:
        n, count = _without_chance(n, count, threat.expectation)
    gate = _gate("min_robust_accuracy", model, value, threshold)
    gate = gate.model_copy(update={"norm": threat.norm, "eps": threat.eps})
    unknown = ("some samples were not evaluated",) if threat.unknown else ()
    said = f"after {part.audited:,} of {part.of:,} samples in random order" if part else ""
    return Asked(gate, (count,), n, doubts_of(model) + unknown, said, share)


def _drop(model: ModelResult, threat: ThreatResult, threshold: float) -> Asked:
    """What could still have fallen, and doubts about comparing the runs at all, keep it from passing; never from
    failing."""
    drop = threat.drop
    gate = _gate("max_drop", model, None, threshold).model_copy(update={"norm": threat.norm, "eps": threat.eps})
    if drop is None:
        return Asked(gate, (0, 0, 0), 0, said="the baseline holds nothing to compare this with")
    value = None if drop.unknown else drop.before - drop.after
    doubts = doubts_of(model) + drop.doubts
    counts, n = (drop.lost, drop.gained, drop.unknown), drop.n + drop.unknown
    return Asked(gate.model_copy(update={"value": value}), counts, n, doubts, _counted(drop))


def _counted(drop: DropResult) -> str:
    text = f"{drop.lost} samples lost and {drop.gained} gained of {drop.n}"
    return f"{text}; {drop.unknown} samples were not evaluated in one of the runs" if drop.unknown else text
