"""What a comparison says, in words that every format shares: shares, smallest changes, and the samples that flipped."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from auditor.formats import words
from auditor.formats.views.numbers import change_text, drop_text
from auditor.result.record import INHERITED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from auditor.result.comparison import Comparison, Pair, SizePair
    from auditor.result.run import Run
    from auditor.result.samples_csv import Row

CONFIDENCE = 0.95
"""Of the intervals that are printed; the runs may have been made at different ones."""

SHARE_HEADS = ("", "before", "after", "lost", "gained", "of", f"drop ({CONFIDENCE:.0%})", "p", "")
SIZE_HEADS = ("median", "before", "after", "ratio", "smaller", "larger", "of", "p", "")
SIZES = "Smallest changes; smaller: samples that now fall to less, larger: that now need more."


@dataclass(frozen=True)
class Line:
    """A line of a table about one model; `cells` has one for each head."""

    model: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Flips:
    """The samples of one model and threat that stand in one of the runs only, each in a sentence."""

    model: str
    title: str
    samples: tuple[str, ...]

    def some(self, most: int) -> tuple[str, ...]:
        """At most so many, and how many more there are."""
        left = len(self.samples) - most
        return self.samples if left <= 0 else (*self.samples[:most], f"and {words.count(left)} more")


def verdict(comparison: Comparison) -> str:
    """What stands in large letters."""
    return "worse" if comparison.worse else "not worse"


def headline(comparison: Comparison) -> str:
    """What matters most, in a sentence: the largest drop that is more than chance, or that there is none."""
    drops = [pair for pair in comparison.pairs if pair.drop.word == "worse"]
    if drops:
        worst = max(drops, key=lambda pair: pair.drop.before - pair.drop.after)
        return f"{worst.model}, {_under(worst, {})}: {drop_text(worst.drop)}."
    sizes = [pair for pair in comparison.sizes if pair.change.word == "worse"]
    if sizes:
        return f"{sizes[0].model}, smallest {sizes[0].norm}: {change_text(sizes[0].change, sizes[0].norm)}."
    said = [pair.drop.word for pair in comparison.pairs] + [pair.change.word for pair in comparison.sizes]
    return f"Nothing got worse beyond chance{'; something got better' if 'better' in said else ''}."


def share_lines(comparison: Comparison, settings: Mapping[str, Any]) -> Iterator[Line]:
    """A line for each model and threat, clean accuracy first."""
    for pair in comparison.pairs:
        drop = pair.drop
        cells = (
            _under(pair, settings),
            words.percent(drop.before),
            words.percent(drop.after),
            str(drop.lost),
            str(drop.gained),
            str(drop.n),
            " to ".join(f"{100 * end:.1f}" for end in drop.interval),
            f"{drop.p:.2g}",
            drop.word,
        )
        yield Line(pair.model, cells)


def size_lines(comparison: Comparison) -> Iterator[Line]:
    """Medians of the smallest changes; samples for which a smaller one was found now, and a larger one."""
    for pair in comparison.sizes:
        change = pair.change
        cells = (
            words.threat(pair.norm, math.inf),
            *(_median(pair, size) for size in (change.before, change.after)),
            "" if change.ratio is None else f"{change.ratio:.3g}",
            str(change.smaller),
            str(change.larger),
            str(change.n),
            f"{change.p:.2g}",
            change.word,
        )
        yield Line(pair.model, cells)


def flips(comparison: Comparison, after: Run) -> Iterator[Flips]:
    """Which samples are lost and which gained; what a model says of them is from the run in which they fall."""
    result = after.result
    named = {model.name: model.classes for model in result.models}
    for pair in comparison.pairs:
        names = named.get(pair.model) or result.data.classes
        rows = {"lost": [now for _, now in pair.lost], "gained": [then for then, _ in pair.gained]}
        for word, fell in rows.items():
            if fell:
                title = f"{_under(pair, result.settings)}: {words.count(len(fell), 'sample')} {word}"
                yield Flips(pair.model, title, tuple(_sentence(row, names, clean=not pair.norm) for row in fell))


def fallen(comparison: Comparison, model: str, *, lost: bool) -> list[Row]:
    """The rows of what stands in one of the runs only, from the run in which it falls to an attack."""
    pairs = [pair for pair in comparison.pairs if pair.model == model and pair.norm]
    if lost:
        return [now for pair in pairs for _, now in pair.lost]
    return [then for pair in pairs for then, _ in pair.gained]


def _under(pair: Pair, settings: Mapping[str, Any]) -> str:
    return words.threat(pair.norm, pair.eps, settings) if pair.norm else "clean"


def _median(pair: SizePair, size: float | None) -> str:
    return "none" if size is None else words.budget(pair.norm, size)


def _sentence(row: Row, names: tuple[str, ...] | None, *, clean: bool) -> str:
    """`17 (cats/3.png): cat, taken for dog (pgd-ce)`."""
    name = f"{row.index} ({row.name})" if row.name else str(row.index)
    true = words.class_name(row.label, names)
    if not clean and row.outcome == "broken":
        cause = "within a smaller budget" if row.broken_by == INHERITED else row.broken_by
        return f"{name}: {true}, taken for {words.class_name(row.adversarial_prediction, names)} ({cause})"
    return f"{name}: {true}, taken for {words.class_name(row.clean_prediction, names)} as it is"
