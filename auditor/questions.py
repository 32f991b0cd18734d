"""What each gate asks: a rule for a model and a threat, as an interval and a threshold.

Every rule asks whether something is at least a threshold: a share, or, where a drop is limited, less the drop.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from auditor.result.anytime import anytime
from auditor.result.measures import ExpectationResult
from auditor.result.paired import drop_bounds
from auditor.result.record import GateResult, ModelResult, ThreatResult
from auditor.result.simultaneous import Question
from auditor.result.statistics import Interval, clopper_pearson, samples_to_decide

if TYPE_CHECKING:
    from auditor.result.measures import DropResult
    from auditor.result.paired import Bounds
    from auditor.settings import Settings


@dataclass(frozen=True)
class Asked:
    """A gate before it is decided. `counts` are of `n` samples: one for a share, which need not be whole; lost, gained
    and unknown for a drop.

    Attributes:
        doubts: why it cannot pass, whatever the interval says.
        said: what else a reader should know.
        share: the kind of interval for a share.
        of: samples that were asked about, where chance leaves no more certainty than `n` would without it; 0: `n`.
    """

    gate: GateResult
    counts: tuple[float, ...]
    n: int
    doubts: tuple[str, ...] = ()
    said: str = ""
    share: Bounds = clopper_pearson
    of: int = 0

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
        if not self.drop:
            count = min(float(n), round(times * self.counts[0], 6))
            # A count that is not whole is taken for the worse one at either end.
            return (self.share(math.floor(count), n, confidence)[0], self.share(math.ceil(count), n, confidence)[1])
        lost, gained, unknown = (min(n, round(times * count)) for count in self.counts)
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

        enough = samples_to_decide(decided, self.n + 1)
        if enough is None or self.of <= self.n:
            return enough
        # What the draws add to the variance stays, however many samples there are.
        left = 1.0 / enough - (1.0 / self.n - 1.0 / self.of)
        return math.ceil(1.0 / left) if left > 0.0 else None


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
    return _without_chance(Asked(gate, (count,), n), model.expectation)


def _without_chance(asked: Asked, expected: ExpectationResult | None) -> Asked:
    """The same share of as many samples as leave no more doubt than samples and draws do."""
    if expected is None or expected.effective_samples >= asked.n:
        return asked
    return _fewer(asked, expected.effective_samples, f"{expected.draws} draws")


def _fewer(asked: Asked, most: int, draws: str) -> Asked:
    said = f"over {draws}, which leave no more certainty than {most:,} samples without chance"
    said = f"{asked.said}; {said}" if asked.said else said
    counts = tuple(most * count / asked.n for count in asked.counts)
    return replace(asked, counts=counts, n=most, of=asked.n, said=said)


def _robust(model: ModelResult, threat: ThreatResult, threshold: float, n: int) -> Asked:
    # What preview attacks alone broke counts as standing here: they are shown, and never gate.
    preview = sum(run.broken for run in threat.attacks if run.stage != "stable")
    value = None if threat.robust_accuracy is None else threat.robust_accuracy + preview / n
    count, share = round(threat.robust_upper_bound * n) + preview, clopper_pearson
    if (part := threat.sequential) is not None:
        n, count, share = part.audited, part.robust + part.not_evaluated + preview, anytime
        value = None if part.not_evaluated else count / n
    gate = _gate("min_robust_accuracy", model, value, threshold)
    gate = gate.model_copy(update={"norm": threat.norm, "eps": threat.eps})
    unknown = ("some samples were not evaluated",) if threat.unknown else ()
    said = f"after {part.audited:,} of {part.of:,} samples in random order" if part else ""
    asked = Asked(gate, (count,), n, doubts_of(model) + unknown, said, share)
    return _without_chance(asked, threat.expectation)


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
    asked = Asked(gate.model_copy(update={"value": value}), counts, n, doubts, _counted(drop))
    if drop.effective_samples is None or drop.effective_samples >= drop.n:
        return asked
    part = drop.effective_samples / drop.n
    return _fewer(asked, round(part * n), "draws")


def _counted(drop: DropResult) -> str:
    text = f"{drop.lost} samples lost and {drop.gained} gained of {drop.n}"
    return f"{text}; {drop.unknown} samples were not evaluated in one of the runs" if drop.unknown else text
