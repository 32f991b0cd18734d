"""The class that withstands least: a good mean can hide one that always falls."""

from __future__ import annotations

from collections.abc import Iterable

from auditor.result.measures import WorstClassResult
from auditor.result.paired import Bounds
from auditor.result.statistics import clopper_pearson


def worst_class(
    stands: Iterable[tuple[int, bool]], confidence: float, share: Bounds = clopper_pearson
) -> WorstClassResult | None:
    """From the label of each sample and whether it stands (is right, and was not shown to be broken).

    The interval (`share`: of which kind) is corrected for as many classes as there are (Bonferroni): the worst one was
    picked after looking. None with fewer than two classes.
    """
    counts: dict[int, list[int]] = {}
    for label, standing in stands:
        count = counts.setdefault(label, [0, 0])
        count[0] += standing
        count[1] += 1
    if len(counts) < 2:
        return None
    label, (k, n) = min(counts.items(), key=lambda item: (item[1][0] / item[1][1], -item[1][1], item[0]))
    mean = sum(each[0] for each in counts.values()) / sum(each[1] for each in counts.values())
    return WorstClassResult(
        label=label,
        n=n,
        share=k / n,
        interval=share(k, n, 1.0 - (1.0 - confidence) / len(counts)),
        gap=mean - k / n,
        classes=len(counts),
    )
