"""Two runs compared sample by sample: what changed, and is it more than chance?"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from auditor.errors import UsageError
from auditor.result.record import ChangeResult
from auditor.result.statistics import mcnemar
from auditor.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from auditor.result.record import ModelResult
    from auditor.result.run import Run
    from auditor.result.samples_csv import Row

_ALPHA = 0.05
_ALIKE = 1e-6
"""Sizes that differ by less, relatively, differ by rounding."""
# Settings that change what a robust accuracy means; gates, paths and machine settings do not.
_MEANING = (
    *("suite", "attacks", "seed", "mean", "std", "input_range", "layout", "channel_order", "input_size"),
    *("goal", "mask", "rotation", "translation", "corruptions", "eot"),
)


@dataclass(frozen=True)
class Pair:
    """One model and threat (empty `norm`: clean accuracy) in both runs, over the same samples."""

    model: str
    norm: str
    eps: float
    n: int
    before: float
    after: float
    lost: int
    gained: int
    unknown: int = 0
    """Samples that were not evaluated in one of the runs; they count neither as lost nor as gained."""

    @property
    def p(self) -> float:
        """Exact McNemar: how likely so lopsided a change is, if nothing changed."""
        return mcnemar(self.lost, self.gained)

    @property
    def worse(self) -> bool:
        return self.lost > self.gained and self.p < _ALPHA

    @property
    def word(self) -> str:
        """`worse`, `better`, `same`, or `no more than chance`."""
        return _word(self.lost, self.gained, self.p)


@dataclass(frozen=True)
class SizePair:
    """One model and norm whose smallest changes were looked for in both runs."""

    model: str
    norm: str
    change: ChangeResult

    @property
    def worse(self) -> bool:
        return self.change.word == "worse"


@dataclass(frozen=True)
class Comparison:
    """All pairs, and what a reader has to know about comparing these runs at all."""

    pairs: tuple[Pair, ...]
    notes: tuple[str, ...]
    sizes: tuple[SizePair, ...] = ()


def compare_runs(before: Run, after: Run) -> Comparison:
    """Compare model by model: by name, or the only ones with each other.

    Raises:
        UsageError: the runs audited different samples.
    """
    if before.result.data.sha256 != after.result.data.sha256:
        raise UsageError(
            f"{before.path} and {after.path} audited different samples "
            f"({before.result.data.n} and {after.result.data.n}); only runs on the same samples compare pair by pair."
        )
    old, new = before.result.settings, after.result.settings
    different = [key for key in _MEANING if old.get(key, _default(key)) != new.get(key, _default(key))]
    notes = (f"the runs differ in {', '.join(different)}, so the model is not all that changed",) if different else ()
    every = list(_pairs(before, after))
    pairs = tuple(pair for pair in every if isinstance(pair, Pair))
    return Comparison(pairs, notes, tuple(pair for pair in every if isinstance(pair, SizePair)))


def _default(key: str) -> Any:
    """What runs did before there was such a setting."""
    return Settings.model_fields[key].get_default()


def _pairs(before: Run, after: Run) -> Iterator[Pair | SizePair]:
    for old, new in matched(before, after):
        clean_seen = False
        for threat in new.threats:
            ours = {row.index: row for row in after.rows_of(new.name, threat.norm, threat.eps)}
            theirs = {row.index: row for row in before.rows_of(old.name, threat.norm, threat.eps)}
            shared = sorted(ours.keys() & theirs.keys())
            if not shared:
                continue
            if not clean_seen:
                clean_seen = True
                flags = [(theirs[i].clean_correct, ours[i].clean_correct) for i in shared]
                yield _pair(new.name, "", 0.0, flags)
            if threat.minimal:
                yield SizePair(new.name, threat.norm, change_of([(theirs[i], ours[i]) for i in shared]))
                continue
            known = [i for i in shared if "not_evaluated" not in (theirs[i].outcome, ours[i].outcome)]
            flags = [(theirs[i].outcome == "robust", ours[i].outcome == "robust") for i in known]
            yield _pair(new.name, threat.norm, threat.eps, flags, len(shared) - len(known))


def matched(before: Run, after: Run) -> list[tuple[ModelResult, ModelResult]]:
    """Which model of the one run is which of the other: by name, or the only one of each."""
    old, new = before.result.models, after.result.models
    if len(old) == len(new) == 1:
        return [(old[0], new[0])]
    names = {model.name: model for model in old}
    return [(names[model.name], model) for model in new if model.name in names]


def _pair(model: str, norm: str, eps: float, flags: list[tuple[bool, bool]], unknown: int = 0) -> Pair:
    n = len(flags) + unknown
    return Pair(
        model=model,
        norm=norm,
        eps=eps,
        n=n,
        before=sum(old for old, _ in flags) / n,
        after=sum(new for _, new in flags) / n,
        lost=sum(old and not new for old, new in flags),
        gained=sum(new and not old for old, new in flags),
        unknown=unknown,
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


def _word(worse: int, better: int, p: float) -> str:
    if p >= _ALPHA:
        return "no more than chance" if worse or better else "same"
    return "worse" if worse > better else "better"
