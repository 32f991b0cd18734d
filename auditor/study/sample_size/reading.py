"""A study of the number of training samples, as a table and in words."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

from rich.table import Table

from auditor.formats import words

if TYPE_CHECKING:
    from auditor.study.sample_size.record import Share, SizeStudy

PAPER = (
    "Schmidt et al. (arXiv:1804.11285): on MNIST, SVHN and CIFAR-10 robust accuracy in testing goes on rising with the "
    "number of training samples where clean accuracy rises no more."
)
_BAR = 20


def table(study: SizeStudy) -> Table:
    """A line for each number of samples; the bars are robust accuracy in training (–) and in testing (█)."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in ("samples", "clean train", "clean test", "robust train", "robust test", "gap"):
        made.add_column(head, justify="right")
    made.add_column("robust: █ test, – train")
    for point in study.points:
        shares = (point.clean_train, point.clean_test, point.robust_train, point.robust_test)
        made.add_row(
            str(point.samples),
            *map(_share, shares),
            f"{100.0 * point.gap:.1f}",
            "█" * round(_BAR * point.robust_test.value) + "–" * round(_BAR * max(0.0, point.gap)),
        )
    return made


def _share(share: Share) -> str:
    return f"{words.percent(share.value)}\n{words.interval(share.interval)}"


def sentences(study: SizeStudy) -> list[str]:
    """What the table says, and what it cannot tell from chance."""
    few, many = study.points[0], study.points[-1]
    rose = _change(few.robust_test, many.robust_test, study.confidence)
    clean = _change(few.clean_test, many.clean_test, study.confidence)
    gap = 100.0 * (many.gap - few.gap)
    sides = (few.robust_train, few.robust_test, many.robust_train, many.robust_test)
    wide = 100.0 * _half(sides, study.confidence)
    word = "narrowed" if gap < -wide else "widened" if gap > wide else "changed by no more than chance"
    return [
        f"From {few.samples} to {many.samples} training samples robust accuracy in testing went from "
        f"{words.percent(few.robust_test.value)} to {words.percent(many.robust_test.value)} ({rose}), clean "
        f"accuracy from {words.percent(few.clean_test.value)} to {words.percent(many.clean_test.value)} ({clean}).",
        f"The robust generalisation gap {word}: {100.0 * few.gap:.1f} points before, {100.0 * many.gap:.1f} now "
        f"({gap:+.1f} ± {wide:.1f}).",
        f"Every network had {study.updates} updates; robust is after 20 gradient steps within {study.norm} "
        f"{study.eps:g}, an upper bound.",
        PAPER,
    ]


def _change(first: Share, second: Share, confidence: float) -> str:
    points, wide = 100.0 * (second.value - first.value), 100.0 * _half((first, second), confidence)
    return f"{points:+.1f} ± {wide:.1f} points"


def _half(shares: tuple[Share, ...], confidence: float) -> float:
    """Half the width of the interval of a sum or difference of independent shares (Agresti & Caffo 2000)."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    shrunk = ((each.value * each.n + 1.0) / (each.n + 2.0) for each in shares)
    return z * math.sqrt(sum(p * (1.0 - p) / (s.n + 2.0) for p, s in zip(shrunk, shares, strict=True)))
