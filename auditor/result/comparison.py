"""Two runs compared sample by sample: what changed, and is it more than chance?"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from auditor.result.expectation import effective_pairs
from auditor.result.measures import ChangeResult, DropResult
from auditor.result.paired import holm, tango
from auditor.result.shared import shared_rows
from auditor.result.statistics import mcnemar
from auditor.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from auditor.result.measures import ExpectationResult
    from auditor.result.record import ModelResult
    from auditor.result.run import Run
    from auditor.result.samples_csv import Row

_ALPHA = 0.05
_POINT = 0.01
"""A drop of at most this is no regression, however certain it is."""
_ALIKE = 1e-6
"""Sizes that differ by less, relatively, differ by rounding."""
# Settings that change what a robust accuracy means; gates, paths and machine settings do not.
_MEANING = (
    *("suite", "attacks", "wrappers", "seed", "mean", "std", "input_range", "layout", "channel_order", "input_size"),
    *("goal", "mask", "rotation", "translation", "corruptions", "eot", "bpda", "max_passes", "tolerance"),
    *("escalation", "precision", "without"),
)


Flip: TypeAlias = "tuple[Row, Row]"
"""A sample that stands in one of the runs only: its rows in the earlier and the later one."""


@dataclass(frozen=True)
class Pair:
    """One model and threat (empty `norm`: clean accuracy) in both runs, over the same samples.

    `lost` stood in the earlier run only, `gained` in the later one only.
    """

    model: str
    norm: str
    eps: float
    drop: DropResult
    lost: tuple[Flip, ...] = ()
    gained: tuple[Flip, ...] = ()


@dataclass(frozen=True)
class SizePair:
    """One model and norm whose smallest changes were looked for in both runs."""

    model: str
    norm: str
    change: ChangeResult


AnyPair: TypeAlias = Pair | SizePair


@dataclass(frozen=True)
class Comparison:
    """All pairs, and what a reader has to know about comparing these runs at all.

    `doubts` name what else differs, so that the model is not all that changed; `notes` say what else to know.
    """

    pairs: tuple[Pair, ...]
    doubts: tuple[str, ...] = ()
    sizes: tuple[SizePair, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def worse(self) -> bool:
        """Whether anything got worse beyond chance, and by more than a point."""
        words = [pair.drop.word for pair in self.pairs] + [pair.change.word for pair in self.sizes]
        return "worse" in words


def compare_runs(before: Run, after: Run, confidence: float = 0.95) -> Comparison:
    """Compare model by model (by name, or the only ones with each other) on the samples that both runs hold.

    Raises:
        UsageError: the runs share no sample.
    """
    pairs = _corrected(list(_pairs(before, after, confidence)))
    doubts = tuple(_doubts(before, after))
    shares = (replace(p, drop=p.drop.model_copy(update={"doubts": doubts})) for p in pairs if isinstance(p, Pair))
    sizes = tuple(pair for pair in pairs if isinstance(pair, SizePair))
    return Comparison(tuple(shares), doubts, sizes, tuple(_notes(before, after, len(pairs))))


def _doubts(before: Run, after: Run) -> Iterator[str]:
    old, new = before.result.settings, after.result.settings
    if different := [key for key in _MEANING if old.get(key, _default(key)) != new.get(key, _default(key))]:
        yield f"the runs differ in {', '.join(different)}, so the model is not all that changed"
    if before.result.data.classes != after.result.data.classes:
        yield "the data of the two runs name their classes differently, so labels may not mean the same"
    for earlier, later in matched(before, after):
        if earlier.num_classes != later.num_classes:
            yield f"{later.name} answers with {later.num_classes} classes, and with {earlier.num_classes} before"
        if blind := without_gradients(earlier, later):
            other = "later" if blind == "earlier" else "earlier"
            yield f"attacks on {later.name} followed gradients in the {other} audit only, and find less without them"


def without_gradients(earlier: ModelResult, later: ModelResult) -> Literal["earlier", "later"] | None:
    """Which of the two audits alone had no gradients to follow, so that its robust accuracy flatters beside the
    other's; None where they attacked alike."""
    if (earlier.gradients == "none") == (later.gradients == "none"):
        return None
    return "earlier" if earlier.gradients == "none" else "later"


def _default(key: str) -> Any:
    """What runs did before there was such a setting."""
    return Settings.model_fields[key].get_default()


def _notes(before: Run, after: Run, comparisons: int) -> Iterator[str]:
    old, new = before.result, after.result
    if old.data.sha256 != new.data.sha256:
        shared = len(shared_rows(before, after).pairs)
        yield (
            f"the runs audited different samples ({old.data.n} and {new.data.n}); only the {shared} that both hold "
            f"are compared"
        )
    versions = [result.environment.get("auditor", "unknown") for result in (old, new)]
    if versions[0] != versions[1]:
        yield f"the runs were made by different versions of auditor ({versions[0]} and {versions[1]})"
    for earlier, later in matched(before, after):
        if earlier.name != later.name:
            yield f"{earlier.name} is compared with {later.name}, the only models of these runs"
        for when, model in (("earlier", earlier), ("later", later)):
            if codes := sorted({f.code for f in model.findings if f.severity in ("inconclusive", "block")}):
                yield f"the {when} audit of {model.name} cannot be trusted to the end: {', '.join(codes)}"
    unknown = sum(row.outcome == "not_evaluated" for run in (before, after) for row in run.rows)
    if unknown:
        yield f"{unknown} outcomes are not known, since the samples were not evaluated; they are not compared"
    if comparisons > 1:
        yield f"p-values are corrected for {comparisons} comparisons (Holm)"


def _pairs(before: Run, after: Run, confidence: float) -> Iterator[AnyPair]:
    shared = shared_rows(before, after)
    for old, new in matched(before, after):
        clean_seen = False
        for threat in new.threats:
            rows = shared.of(old.name, new.name, threat.norm, threat.eps)
            if not rows:
                continue
            if not clean_seen:
                clean_seen = True
                flags = [(then.clean_correct, now.clean_correct) for then, now in rows]
                drop = drop_of(flags, confidence, runs=(old.expectation, new.expectation))
                yield Pair(new.name, "", 0.0, drop, *_flips(rows, flags))
            if threat.minimal:
                yield SizePair(new.name, threat.norm, change_of(rows))
                continue
            known = [pair for pair in rows if all(row.outcome != "not_evaluated" for row in pair)]
            flags = [(then.outcome == "robust", now.outcome == "robust") for then, now in known]
            earlier = next((t for t in old.threats if (t.norm, t.eps) == (threat.norm, threat.eps)), None)
            runs = (None if earlier is None else earlier.expectation, threat.expectation)
            drop = drop_of(flags, confidence, len(rows) - len(known), runs=runs)
            yield Pair(new.name, threat.norm, threat.eps, drop, *_flips(known, flags))


def _flips(rows: Sequence[Flip], flags: Sequence[tuple[bool, bool]]) -> tuple[tuple[Flip, ...], tuple[Flip, ...]]:
    """Of the rows of the same samples, those that stood in the earlier run only, and in the later one only."""

    def those(wanted: tuple[bool, bool]) -> tuple[Flip, ...]:
        return tuple(pair for pair, stood in zip(rows, flags, strict=True) if stood == wanted)

    return those((True, False)), those((False, True))


def _corrected(pairs: list[AnyPair]) -> list[AnyPair]:
    """Their p-values, and what these say, corrected for how many there are."""
    adjusted = holm([(pair.drop if isinstance(pair, Pair) else pair.change).p for pair in pairs])
    return [_with(pair, p) for pair, p in zip(pairs, adjusted, strict=True)]


def _with(pair: AnyPair, p: float) -> AnyPair:
    if isinstance(pair, SizePair):
        size = pair.change
        return replace(pair, change=size.model_copy(update={"p": p, "word": _word(size.smaller, size.larger, p)}))
    drop = pair.drop
    return replace(pair, drop=drop.model_copy(update={"p": p, "word": _said(drop.lost, drop.gained, drop.n, p)}))


def matched(before: Run, after: Run) -> list[tuple[ModelResult, ModelResult]]:
    """Which model of the one run is which of the other: by name, or the only one of each."""
    old, new = before.result.models, after.result.models
    if len(old) == len(new) == 1:
        return [(old[0], new[0])]
    names = {model.name: model for model in old}
    return [(names[model.name], model) for model in new if model.name in names]


def drop_of(
    flags: Sequence[tuple[bool, bool]],
    confidence: float = 0.95,
    unknown: int = 0,
    *,
    runs: Sequence[ExpectationResult | None] = (),
) -> DropResult:
    """How the share of samples that stand differs, from whether each stood before and stands now; `runs` say what
    holds over the draws of models that answer at random."""
    n = len(flags)
    lost = sum(old and not new for old, new in flags)
    gained = sum(new and not old for old, new in flags)
    most = effective_pairs(lost, gained, n, runs)
    part = 1.0 if most is None else most / n
    p = mcnemar(round(part * lost), round(part * gained))
    return DropResult(
        n=n,
        before=sum(old for old, _ in flags) / max(n, 1),
        after=sum(new for _, new in flags) / max(n, 1),
        lost=lost,
        gained=gained,
        unknown=unknown,
        interval=tango(part * lost, part * gained, n if most is None else most, confidence),
        p=p,
        word=_said(lost, gained, n, p),
        effective_samples=most,
    )


def change_of(rows: Sequence[tuple[Row, Row]]) -> ChangeResult:
    """How the smallest changes of the same samples differ, from their rows in the earlier and the later run.

    Only samples that both runs classify correctly are compared: what else changed, clean accuracy says.
    """
    right = [pair for pair in rows if pair[0].clean_correct and pair[1].clean_correct]
    known = [pair for pair in right if all(row.outcome != "not_evaluated" for row in pair)]
    sizes = [(_size(old), _size(new)) for old, new in known]
    differ = [(old, new) for old, new in sizes if not math.isclose(old, new, rel_tol=_ALIKE)]
    smaller = sum(new < old for old, new in differ)
    larger = len(differ) - smaller
    before, after = (_median(column) for column in zip(*sizes, strict=True)) if sizes else (None, None)
    p = mcnemar(smaller, larger)
    return ChangeResult(
        n=len(known),
        before=before,
        after=after,
        ratio=None if after is None or not before else after / before,
        smaller=smaller,
        larger=larger,
        unknown=len(right) - len(known),
        p=p,
        word=_word(smaller, larger, p),
    )


def _size(row: Row) -> float:
    return row.distance if row.outcome == "broken" and row.distance is not None else math.inf


def _median(sizes: Sequence[float]) -> float | None:
    value = statistics.median(sizes)
    return value if math.isfinite(value) else None


def _said(lost: int, gained: int, n: int, p: float) -> str:
    word = _word(lost, gained, p)
    return "slightly worse" if word == "worse" and lost - gained <= _POINT * n else word


def _word(worse: int, better: int, p: float) -> str:
    if p >= _ALPHA:
        return "no more than chance" if worse or better else "same"
    return "worse" if worse > better else "better"
