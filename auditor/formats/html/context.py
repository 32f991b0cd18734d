"""What templates can use: `page`, and everything below it. Frozen, and every field says what it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from auditor.formats.html.charts.bars import BarChart
from auditor.formats.html.charts.cascade import CascadeChart
from auditor.formats.html.charts.curve import CurveChart
from auditor.formats.html.charts.line import LineChart
from auditor.formats.html.shown import Shown
from auditor.formats.html.transfer_parts import Transfer
from auditor.formats.views.surrogates import SurrogateLine

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that a reader has to know."""

    code: Annotated[str, "Stable code, such as AUD101."]
    severity: Annotated[str, "`info`, `warn`, `inconclusive` or `block`."]
    title: Annotated[str, "What was found, in a line."]
    detail: Annotated[str, "What was measured."]
    remedy: Annotated[str, "What to do; may be empty."]
    numbers: Annotated[Pairs, "The numbers that raised it, where no threat's story tells them."]
    plot: Annotated[LineChart | None, "A line that says more."]
    model: Annotated[str, "The model that it concerns."]


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A rule that the user set."""

    rule: Annotated[str, "The rule with model and threat."]
    value: Annotated[str, "What was measured."]
    threshold: Annotated[str, "What was required."]
    outcome: Annotated[str, "`pass`, `fail` or `inconclusive`."]
    detail: Annotated[str, "Why."]


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """A line of the accuracy table."""

    model: Annotated[str, "The model."]
    under: Annotated[str, "`clean`, or the threat."]
    value: Annotated[str, "The share as text."]
    interval: Annotated[str, "Its interval as text; may be empty."]
    samples: Annotated[str, "How many of how many samples."]
    stands_out: Annotated[bool, "Whether rounding to 8 bits changes the share by more than a point."]
    note: Annotated[str, "What else is known: after 8-bit rounding, certified; may be empty."]


@dataclass(frozen=True, kw_only=True)
class AttackLine:
    """A line of the attack table, with what is needed to run the attack again."""

    name: Annotated[str, "Name within the suite."]
    status: Annotated[str, "`ran`, `skipped`, `failed` or `timed out`."]
    reason: Annotated[str, "Why it did not run to its end, or whom it attacked; what it is where it is no attack."]
    attacked: Annotated[str, "How many samples it saw."]
    broken: Annotated[str, "How many of them it broke, with the share; of smallest changes, how many it improved."]
    best: Annotated[str, "For how many samples it is what was counted: under `minimal`, the smallest change of all."]
    standing: Annotated[str, "How many samples stood afterwards."]
    passes: Annotated[str, "Samples through the model, forwards and backwards."]
    per_break: Annotated[str, "Passes for each broken sample."]
    seconds: Annotated[str, "Wall clock."]
    refuted: Annotated[str, "Candidates that the referee did not confirm."]
    facts: Annotated[Pairs, "Attack, access and paper."]
    parameters: Annotated[Pairs, "Every hyper-parameter with its value."]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell of a table whose colour says how much it holds."""

    text: Annotated[str, "Of mistakes the count, a dot where it is 0; of corruptions the accuracy."]
    level: Annotated[int, "0 to 5: how dark the cell is."]


@dataclass(frozen=True, kw_only=True)
class Mistakes:
    """What broken samples were mistaken for."""

    heads: Annotated[tuple[str, ...], "Names of the columns."]
    rows: Annotated[tuple[tuple[str, tuple[Cell, ...]], ...], "Name of the true class, and its cells."]
    partial: Annotated[bool, "Whether some classes share a line."]
    top: Annotated[tuple[tuple[str, str, str], ...], "The most frequent mistakes: true class, wrong class, count."]
    total: Annotated[str, "How many broken samples there are."]


@dataclass(frozen=True, kw_only=True)
class Corruptions:
    """Accuracy under each corruption at each severity."""

    lead: Annotated[str, "The mean corruption error, beside that on clean samples, and the worst corruption."]
    severities: Annotated[tuple[str, ...], "Names of the columns."]
    rows: Annotated[tuple[tuple[str, tuple[Cell, ...], str], ...], "Name of a corruption, its cells, and their mean."]


@dataclass(frozen=True, kw_only=True)
class ClassLine:
    """A line of the per-class table."""

    name: Annotated[str, "The class."]
    n: Annotated[str, "Its samples."]
    clean: Annotated[str, "Clean accuracy."]
    robust: Annotated[str, "Robust accuracy; `≤` where samples were not evaluated."]
    interval: Annotated[str, "Interval of the robust accuracy."]
    gap: Annotated[str, "Difference from the mean, in points."]
    width: Annotated[float, "Robust accuracy in percent, for the small bar."]
    weak: Annotated[bool, "Whether it lies more than 15 points below the mean, and not by chance."]


@dataclass(frozen=True, kw_only=True)
class Classes:
    """The per-class table of one threat, the weakest class first."""

    worst: Annotated[str, "The sentence about the weakest class."]
    alarming: Annotated[bool, "Whether the weakest class lies more than 15 points below the mean."]
    shown: Annotated[tuple[ClassLine, ...], "Lines that are always shown."]
    folded: Annotated[tuple[ClassLine, ...], "Further lines, folded away."]
    left_out: Annotated[str, "How many classes are in samples.csv only; may be empty."]


@dataclass(frozen=True, kw_only=True)
class MedianLine:
    """A line of the table of medians."""

    name: Annotated[str, "The class."]
    n: Annotated[str, "Its samples, and how many of them are classified correctly."]
    found: Annotated[str, "For how many of the latter an example was found."]
    median: Annotated[str, "Of the smallest changes."]
    interval: Annotated[str, "Of the median."]
    width: Annotated[float, "The median in percent of the largest, for the small bar."]


@dataclass(frozen=True, kw_only=True)
class Medians:
    """The classes by the median of their smallest changes, the smallest first."""

    worst: Annotated[str, "The sentence about the class that falls to the smallest changes."]
    shown: Annotated[tuple[MedianLine, ...], "Lines that are always shown."]
    left_out: Annotated[str, "How many classes are in samples.csv only; may be empty."]


@dataclass(frozen=True, kw_only=True)
class CheckLine:
    """What one check asked of the attacks, and what came of it."""

    code: Annotated[str, "Its code."]
    title: Annotated[str, "The failure that it looks for."]
    outcome: Annotated[str, "What came of it, in words."]
    mark: Annotated[str, "`info` where all is well or settled, else `inconclusive`; a class for the style."]
    story: Annotated[str, "What was doubted, tried and found; may be empty."]
    chapters: Annotated[Pairs, "The same in order, each part under its name; empty where nothing was doubted."]
    numbers: Annotated[Pairs, "What it measured."]
    plot: Annotated[LineChart | None, "A line that says more."]
    passes: Annotated[str, "What it spent."]


@dataclass(frozen=True, kw_only=True)
class Trust:
    """Whether the attacks under one threat did their work."""

    sentence: Annotated[str, "All inquiries in a sentence."]
    share: Annotated[str, "Which share of all passes they spent; may be empty."]
    doubted: Annotated[tuple[CheckLine, ...], "Those that doubted something, in order."]
    clear: Annotated[tuple[CheckLine, ...], "The others."]


@dataclass(frozen=True, kw_only=True)
class Threat:
    """One norm and budget."""

    anchor: Annotated[str, "Identifier of the section."]
    name: Annotated[str, "Such as `linf 8/255`."]
    exact: Annotated[str, "The budget as a decimal number; empty without one."]
    main: Annotated[bool, "Whether it is the largest budget of its norm: its tables are shown unfolded."]
    value: Annotated[str, "Robust accuracy as text; under `minimal` the median of the smallest changes."]
    samples: Annotated[str, "How many of how many samples."]
    doubt: Annotated[str, "The findings for which the value is not to be believed; may be empty."]
    minimal: Annotated[bool, "Whether the smallest changes were looked for: then no attack leaves fewer standing."]
    forecast: Annotated[str, "What twice the passes would find, or what the smallest changes say; may be empty."]
    change: Annotated[str, "How the smallest changes compare with the baseline's; may be empty."]
    cascade: Annotated[CascadeChart | None, "The chart; None where there is nothing to draw."]
    attacks: Annotated[tuple[AttackLine, ...], "The attacks in order, without those that had nothing to do."]
    not_run: Annotated[str, "The sentence that names those, and why; may be empty."]
    trust: Annotated[Trust | None, "None where no check asked."]
    corruptions: Annotated[Corruptions | None, "Under corruptions only; None where time did not allow them."]
    mistakes: Annotated[Mistakes | None, "None where nothing was broken."]
    classes: Annotated[Classes | None, "None where there are no rows."]
    medians: Annotated[Medians | None, "Where the smallest changes were looked for."] = None


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An example that fooled the model."""

    shown: Annotated[tuple[Shown, ...], "The sample, what was changed where that can be shown, and the result."]
    pixelated: Annotated[bool, "Whether it is so small that its pixels should be seen."]
    before: Annotated[str, "What the model said of the original."]
    before_confidence: Annotated[str, "How sure it was; may be empty."]
    after: Annotated[str, "What it says now."]
    after_confidence: Annotated[str, "How sure it is; may be empty."]
    wanted: Annotated[bool, "Whether the class that it now names is the one that was wanted."]
    sample: Annotated[str, "Number and name of the sample."]
    cause: Annotated[str, "Attack and threat."]
    distance: Annotated[str, "Size of the change."]
    done: Annotated[str, "What was done, in words: a rotation, a shift, or by how much the change is magnified."]


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """What an attack learned from many samples and tried on all."""

    shown: Annotated[Shown, "The pattern."]
    pixelated: Annotated[bool, "Whether it is so small that its pixels should be seen."]
    name: Annotated[str, "Attack and threat."]
    said: Annotated[str, "How many samples it fools."]


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model."""

    anchor: Annotated[str, "Identifier of the section."]
    name: Annotated[str, "Its name."]
    audited: Annotated[bool, "Whether there are any numbers."]
    facts: Annotated[Pairs, "Path, format, digest, gradients and so on."]
    details: Annotated[Pairs, "Whatever else the loader found out about it."]
    bars: Annotated[BarChart | None, "Clean against robust accuracy."]
    findings: Annotated[tuple[Finding, ...], "Findings about it."]
    curves: Annotated[tuple[CurveChart, ...], "A curve for each norm."]
    smallest: Annotated[tuple[str, ...], "What the smallest changes say, a sentence for each norm."]
    threats: Annotated[tuple[Threat, ...], "Each norm and budget."]
    patterns: Annotated[tuple[Pattern, ...], "What universal attacks learned."]
    surrogates: Annotated[tuple[SurrogateLine, ...], "What stood in for it; empty where nothing was named or trained."]
    surrogate_passes: Annotated[str, "Passes through them."]
    pictures: Annotated[tuple[Picture, ...], "What fooled it."]
    no_pictures: Annotated[str, "Why there are no pictures; empty where there are some."]


@dataclass(frozen=True, kw_only=True)
class Page:
    """The whole report."""

    title: Annotated[str, "Title of the document."]
    verdict: Annotated[str, "The verdict, or `measured` where it is a pass and no gate was set."]
    exit_code: Annotated[int, "What the command answered."]
    summary: Annotated[str, "Why, in a sentence."]
    conditions: Annotated[tuple[str, ...], "The goal and what else decides what the numbers mean; mostly empty."]
    rests_on: Annotated[tuple[str, ...], "Sentences about what the verdict rests on."]
    notices: Annotated[tuple[str, ...], "What limits the result, each in a sentence."]
    gates: Annotated[tuple[Gate, ...], "The user's rules."]
    confidence: Annotated[str, "Confidence of the intervals, such as `95%`."]
    accuracies: Annotated[tuple[Accuracy, ...], "The table behind the bars, for all models."]
    several: Annotated[bool, "Whether there is more than one model."]
    comparison: Annotated[tuple[CurveChart, ...], "Models in one chart, a chart for each norm; empty for one model."]
    findings: Annotated[tuple[Finding, ...], "All findings, the gravest first."]
    transfer: Annotated[Transfer | None, "How attacks travel between the models; None where that was not measured."]
    models: Annotated[tuple[Model, ...], "The models in order."]
    data: Annotated[Pairs, "Facts about the data."]
    skipped: Annotated[Pairs, "Names of samples that could not be read, and why; at most 100."]
    skipped_count: Annotated[str, "How many samples could not be read."]
    command: Annotated[str, "The command line; may be empty."]
    settings: Annotated[Pairs, "Every setting that was given or has a default."]
    environment: Annotated[Pairs, "Versions, device, threads."]
    digests: Annotated[Pairs, "What was audited, and its SHA-256."]
    plugin_failures: Annotated[Pairs, "Plugins that broke, and how."]
    made: Annotated[str, "When the scan began and which version of auditor made it."]
