"""What templates can use: `page`, and everything below it. Frozen, and every field says what it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from auditor.formats.html.charts.bars import BarChart
from auditor.formats.html.charts.cascade import CascadeChart
from auditor.formats.html.charts.curve import CurveChart
from auditor.formats.html.fields import told

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that a reader has to know."""

    code: str = told("Stable code, such as AUD101.")
    severity: str = told("`info`, `warn`, `inconclusive` or `block`.")
    title: str = told("What was found, in a line.")
    detail: str = told("What was measured.")
    remedy: str = told("What to do; may be empty.")
    model: str = told("The model that it concerns.")


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A rule that the user set."""

    rule: str = told("The rule with model and threat.")
    value: str = told("What was measured.")
    threshold: str = told("What was required.")
    outcome: str = told("`pass`, `fail` or `inconclusive`.")
    detail: str = told("Why.")


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """A line of the accuracy table."""

    model: str = told("The model.")
    under: str = told("`clean`, or the threat.")
    value: str = told("The share as text.")
    interval: str = told("Its interval as text; may be empty.")
    samples: str = told("How many of how many samples.")
    note: str = told("What else is known: after 8-bit rounding, certified; may be empty.")


@dataclass(frozen=True, kw_only=True)
class AttackLine:
    """A line of the attack table, with what is needed to run the attack again."""

    name: str = told("Name within the suite.")
    status: str = told("`ran`, `skipped`, `failed` or `timed out`.")
    reason: str = told("Why it did not run to its end; what it is where it is no attack.")
    attacked: str = told("How many samples it saw.")
    broken: str = told("How many of them it broke, with the share.")
    standing: str = told("How many samples stood afterwards.")
    passes: str = told("Samples through the model, forwards and backwards.")
    per_break: str = told("Passes for each broken sample.")
    seconds: str = told("Wall clock.")
    refuted: str = told("Candidates that the referee did not confirm.")
    facts: Pairs = told("Attack, access and paper.")
    parameters: Pairs = told("Every hyper-parameter with its value.")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell of the table of mistakes."""

    text: str = told("The count; a dot where it is 0.")
    level: int = told("0 to 5: how dark the cell is.")


@dataclass(frozen=True, kw_only=True)
class Mistakes:
    """What broken samples were mistaken for."""

    heads: tuple[str, ...] = told("Names of the columns.")
    rows: tuple[tuple[str, tuple[Cell, ...]], ...] = told("Name of the true class, and its cells.")
    top: tuple[tuple[str, str, str], ...] = told("The most frequent mistakes: true class, wrong class, count.")
    total: str = told("How many broken samples there are.")


@dataclass(frozen=True, kw_only=True)
class ClassLine:
    """A line of the per-class table."""

    name: str = told("The class.")
    n: str = told("Its samples.")
    clean: str = told("Clean accuracy.")
    robust: str = told("Robust accuracy; `≤` where samples were not evaluated.")
    interval: str = told("Interval of the robust accuracy.")
    gap: str = told("Difference from the mean, in points.")
    width: float = told("Robust accuracy in percent, for the small bar.")
    weak: bool = told("Whether it lies more than 15 points below the mean.")


@dataclass(frozen=True, kw_only=True)
class Classes:
    """The per-class table of one threat, the weakest class first."""

    worst: str = told("The sentence about the weakest class.")
    alarming: bool = told("Whether the weakest class lies more than 15 points below the mean.")
    shown: tuple[ClassLine, ...] = told("Lines that are always shown.")
    folded: tuple[ClassLine, ...] = told("Further lines, folded away.")
    left_out: str = told("How many classes are in samples.csv only; may be empty.")


@dataclass(frozen=True, kw_only=True)
class Threat:
    """One norm and budget."""

    anchor: str = told("Identifier of the section.")
    name: str = told("Such as `linf 8/255`.")
    exact: str = told("The budget as a decimal number.")
    main: bool = told("Whether it is the largest budget of its norm: its tables are shown unfolded.")
    value: str = told("Robust accuracy as text.")
    samples: str = told("How many of how many samples.")
    cascade: CascadeChart | None = told("The chart; None where there is nothing to draw.")
    attacks: tuple[AttackLine, ...] = told("The attacks in order.")
    mistakes: Mistakes | None = told("None where nothing was broken.")
    classes: Classes | None = told("None where there are no rows.")


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An example that fooled the model."""

    original: str = told("PNG as a data URI.")
    difference: str = told("PNG as a data URI: grey where nothing changed.")
    adversarial: str = told("PNG as a data URI.")
    width: int = told("In pixels.")
    height: int = told("In pixels.")
    pixelated: bool = told("Whether it is so small that its pixels should be seen.")
    before: str = told("What the model said of the original, with its confidence.")
    after: str = told("What it says now, with its confidence.")
    true: str = told("The true class.")
    sample: str = told("Number and name of the sample.")
    cause: str = told("Attack and threat.")
    distance: str = told("Size of the change.")
    magnified: str = told("How much the difference is magnified.")


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model."""

    anchor: str = told("Identifier of the section.")
    name: str = told("Its name.")
    audited: bool = told("Whether there are any numbers.")
    facts: Pairs = told("Path, format, digest, gradients and so on.")
    bars: BarChart | None = told("Clean against robust accuracy.")
    findings: tuple[Finding, ...] = told("Findings about it.")
    curves: tuple[CurveChart, ...] = told("A curve for each norm.")
    threats: tuple[Threat, ...] = told("Each norm and budget.")
    pictures: tuple[Picture, ...] = told("What fooled it.")
    no_pictures: str = told("Why there are no pictures; empty where there are some.")


@dataclass(frozen=True, kw_only=True)
class Page:
    """The whole report."""

    title: str = told("Title of the document.")
    verdict: Literal["pass", "fail", "inconclusive", "error"] = told("The verdict.")
    exit_code: int = told("What the command answered.")
    summary: str = told("Why, in a sentence.")
    rests_on: tuple[str, ...] = told("Sentences about what the verdict rests on.")
    notices: tuple[str, ...] = told("What limits the result, each in a sentence.")
    gates: tuple[Gate, ...] = told("The user's rules.")
    confidence: str = told("Confidence of the intervals, such as `95%`.")
    accuracies: tuple[Accuracy, ...] = told("The table behind the bars, for all models.")
    several: bool = told("Whether there is more than one model.")
    comparison: tuple[CurveChart, ...] = told("Models in one chart, a chart for each norm; empty for one model.")
    findings: tuple[Finding, ...] = told("All findings, the gravest first.")
    models: tuple[Model, ...] = told("The models in order.")
    data: Pairs = told("Facts about the data.")
    skipped: Pairs = told("Names of samples that could not be read, and why; at most 100.")
    skipped_count: str = told("How many samples could not be read.")
    command: str = told("The command line; may be empty.")
    settings: Pairs = told("Every setting that was given or has a default.")
    environment: Pairs = told("Versions, device, threads.")
    digests: Pairs = told("What was audited, and its SHA-256.")
    plugin_failures: Pairs = told("Plugins that broke, and how.")
    made: str = told("When the scan began and which version of auditor made it.")
