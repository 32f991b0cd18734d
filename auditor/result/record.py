"""The record of a run: frozen, with a schema version; every format is a pure function of it and of `samples.csv`.

The keys are a contract with other programs. New keys may be added under the same schema version; a key that
changes its meaning or goes away raises it.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import ConfigDict, Field

from auditor.check import Finding as FindingRecord
from auditor.result.data import Data
from auditor.result.frozen import Frozen
from auditor.result.measures import (
    CertificateResult,
    ChangeResult,
    CorruptionResult,
    DropResult,
    ExpectationResult,
    ForecastResult,
    SequentialResult,
    SmallestResult,
    WorstClassResult,
)
from auditor.result.plain import plain
from auditor.result.surrogates import SurrogateResult
from auditor.result.transfer import TransferResult
from auditor.result.wrappers import WrapperRecord
from auditor.settings import Budget
from auditor.types import Norm

SCHEMA = "auditor.result/1"

INHERITED = "smaller-budget"
"""Name under which an attack table lists what already fell to a smaller budget of the same norm."""

NOTHING_LEFT = "nothing was left to attack"
"""Reason of attacks that were skipped since every sample had fallen."""

UNPAID = "so more of its kind would not pay"
"""How the reason ends of attacks that were skipped since one of their kind had found next to nothing."""

STOPPED = "stopped: "
"""How the reason begins of attacks that were skipped since hardly anything was expected of them."""

OVERSPENT = "--max-passes was spent"
"""Reason of attacks that were skipped, and in that of attacks that saw fewer samples, for want of passes."""

ISOLATED = "a check that asks for further attacks cannot be isolated"
"""Why a check whose plugin has a process of its own was not asked."""

Interval = tuple[float, float]
Verdict = Literal["pass", "fail", "inconclusive", "error"]
GateOutcome = Literal["pass", "fail", "inconclusive"]
Outcome = Literal["clear", "mended", "doubtful", "not looked at"]


class Finding(Frozen):
    """Something a reader has to know: code, severity (`info`, `warn`, `inconclusive`, `block`), what to do."""

    code: str
    severity: Literal["info", "warn", "inconclusive", "block"]
    title: str
    detail: str
    remedy: str = ""
    evidence: dict[str, Any] = Field(default_factory=dict)
    """The numbers that raised it; under `plot` a line to draw."""

    @classmethod
    def of(cls, finding: FindingRecord) -> Finding:
        return cls(
            code=finding.code,
            severity=finding.severity.value,
            title=finding.title,
            detail=finding.detail,
            remedy=finding.remedy,
            evidence=plain(finding.evidence),
        )


class GateResult(Frozen):
    """A rule that the user set, what was measured, and whether it holds at the confidence asked for."""

    rule: str
    value: float | None
    threshold: float
    outcome: GateOutcome
    interval: Interval | None = None
    detail: str = ""
    model: str = ""
    norm: str = ""
    eps: Budget | None = None
    samples_needed: int | None = None
    corrected_for: int = 1
    """How many gates the interval is corrected for (Holm 1979), this one among them."""


class AttackRun(Frozen):
    """What one attack did within one threat. All counts are samples; passes are samples through the model.

    Where the smallest changes are looked for, `broken` are those for which it found a smaller one than was known.
    """

    name: str
    parameters: dict[str, Any]
    status: Literal["ran", "skipped", "failed", "timed out"]
    reason: str
    attacked: int
    broken: int
    seconds: float
    forwards: int
    backwards: int
    attack: str = ""
    access: str = ""
    paper: str = ""
    stage: str = "stable"
    """`preview` attacks are shown and never gate."""
    refuted: int = 0
    """Candidates that the attack believed in and the referee did not confirm."""
    unanswered: int = 0
    """Samples near which the model answered NaN, and which were not broken otherwise."""
    rescued: int = 0
    """Samples for which it met an example and returned something else; the example counts."""
    because: str = ""
    """The code of the check that asked for it, where the suite did not."""
    surrogate_forwards: int = 0
    """Samples through surrogates, on which its examples were made; `forwards` are through the model alone."""
    surrogate_backwards: int = 0

    @property
    def passes(self) -> int:
        """Samples through any model, forward and backward."""
        return self.forwards + self.backwards + self.surrogate_forwards + self.surrogate_backwards

    @property
    def stopped(self) -> bool:
        """Skipped because hardly anything was expected of it."""
        return self.status == "skipped" and self.reason.startswith(STOPPED)

    @property
    def needless(self) -> bool:
        """Skipped because there was nothing for it to do, not because it does not fit."""
        idle = self.reason == NOTHING_LEFT or self.reason.endswith(UNPAID)
        return self.stopped or (self.status == "skipped" and idle)


class CheckRun(Frozen):
    """What one check asked of one threat's attacks, and what came of it; passes include those of attacks it ran."""

    code: str
    title: str
    outcome: Outcome
    """`mended`: a doubt that further attacks settled; `doubtful`: one that stayed."""
    doubt: str = ""
    """What was doubted, in words; empty where nothing was."""
    tried: tuple[str, ...] = ()
    """Names of the attacks that were run to settle it."""
    broken: int = 0
    """Samples that these broke."""
    detail: str = ""
    """What came of it; or why it was not looked at."""
    forwards: int = 0
    backwards: int = 0
    seconds: float = 0.0
    evidence: dict[str, Any] = Field(default_factory=dict)
    """What was measured; under `plot` a line to draw."""


class ThreatResult(Frozen):
    """One norm and budget. `robust_accuracy` is a share of all samples; None while some were not evaluated.

    Where `eps` is infinite (`"auto"` in JSON) the smallest changes were looked for: see `smallest`.
    """

    norm: Norm
    eps: Budget
    goal: str = "untargeted"
    """As the settings say it."""
    robust_accuracy: float | None
    robust_interval: Interval | None
    certified_accuracy: float | None = None
    certified_interval: Interval | None = None
    certified_broken: int | None = None
    """Samples that are certified within this budget and were broken: beyond chance a contradiction."""
    robust_upper_bound: float
    """Share of samples not shown to be broken: robust or not evaluated."""
    not_evaluated: int = 0
    robust_accuracy_8bit: float | None = None
    """The same when every adversarial example is first rounded to 8 bits; None for data that is not 8-bit images."""
    attacks: tuple[AttackRun, ...] = ()
    forecast: ForecastResult | None = None
    """None where it cannot be told."""
    smallest: SmallestResult | None = None
    """None for a given budget."""
    corruptions: tuple[CorruptionResult, ...] = ()
    """Under `corruption`, every corruption at every severity up to the budget; empty where time did not allow it."""
    mean_corruption_error: float | None = None
    """The mean of one less these accuracies (arXiv:1903.12261, without the paper's division by AlexNet's)."""
    relative_corruption_error: float | None = None
    """How much larger that is than the error on clean samples."""
    normalised_corruption_error: float | None = None
    """The paper's mean corruption error: as shares of the errors of the baseline; None where none was given, or it had
    other corruptions."""
    checks: tuple[CheckRun, ...] = ()
    """The inquiries into these attacks, in the order in which they were made."""
    change: ChangeResult | None = None
    """Since the baseline, where the smallest changes were looked for in both runs."""
    drop: DropResult | None = None
    """Since the baseline, where both runs attacked within this budget."""
    sequential: SequentialResult | None = None
    """None where all samples were audited at once."""
    worst_class: WorstClassResult | None = None
    """None with one class, and where the smallest changes were looked for."""
    expectation: ExpectationResult | None = None
    """None for a model that answers the same every time."""

    @property
    def minimal(self) -> bool:
        """Whether the smallest changes were looked for, and not any within a budget."""
        return math.isinf(self.eps)

    @property
    def unknown(self) -> int:
        """Samples that were to be audited, and were not to the end; not those that a sequential scan left alone."""
        return self.not_evaluated if self.sequential is None else self.sequential.not_evaluated

    @property
    def share(self) -> float:
        """What is not shown to be broken, of the samples that were audited."""
        return self.robust_upper_bound if self.sequential is None else self.sequential.share

    @property
    def interval(self) -> Interval | None:
        """Of that share; None where samples that were to be audited were not, to the end."""
        if self.unknown:
            return None
        return self.robust_interval if self.sequential is None else self.sequential.interval

    @property
    def said(self) -> str:
        """`linf 0.0314`, or `smallest linf`."""
        return f"smallest {self.norm}" if self.minimal else f"{self.norm} {self.eps:.4g}"


class ModelResult(Frozen):
    """One model: identity, how it was read, clean accuracy, findings, and a result per threat."""

    name: str
    path: str
    sha256: str
    format: str
    gradients: Literal["native", "twin", "none"]
    clean_accuracy: float | None
    clean_interval: Interval | None
    findings: tuple[Finding, ...] = ()
    threats: tuple[ThreatResult, ...] = ()
    num_classes: int = 0
    classes: tuple[str, ...] | None = None
    preprocessing: str = "none"
    wrappers: tuple[WrapperRecord, ...] = ()
    """In the order in which samples pass them. Every number is that of the model behind them."""
    certificate: CertificateResult | None = None
    """What the first of them proves; None where it proves nothing, or time ran out."""
    batching: str = "native"
    input_shape: tuple[int | None, ...] | None = None
    details: dict[str, Any] = Field(default_factory=dict)
    draws: int = 1
    """Answers over which every judgement was made; more than one where the model answers at random."""
    expectation: ExpectationResult | None = None
    """On clean samples; None for a model that answers the same every time."""
    surrogates: tuple[SurrogateResult, ...] = ()
    """Other models on which examples were made."""
    seconds: dict[str, float] = Field(default_factory=dict)
    """Wall clock by stage: `load`, `preflight`, `clean`, `attack`, `model` (passes alone)."""


class Result(Frozen):
    """The whole run, as `result.json` holds it."""

    schema_: str = Field(default=SCHEMA, alias="schema")
    verdict: Verdict
    exit_code: int
    summary: str = ""
    """One sentence: why this verdict."""
    gates: tuple[GateResult, ...] = ()
    data: Data
    settings: dict[str, Any]
    environment: dict[str, str]
    models: tuple[ModelResult, ...]
    transfer: TransferResult | None = None
    """None with one model, and where it was not asked for."""
    plugin_failures: tuple[dict[str, str], ...] = ()
    started: str = ""
    """UTC, ISO 8601."""
    seconds: float = 0.0
    command: str = ""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    def to_json(self) -> str:
        """The content of `result.json`."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"
