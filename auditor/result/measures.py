"""Parts of the record that say what was measured: forecasts, sizes, differences, shares over draws and classes."""

from __future__ import annotations

from typing import Literal

from auditor.result.frozen import Frozen
from auditor.result.statistics import Interval


class ForecastResult(Frozen):
    """What more of the same search would find: shares of all samples that would fall to twice the passes.

    `low` and `high` hold the truth with at least this `confidence`; `passes` were spent on a sample that stands.
    """

    expected: float
    low: float
    high: float
    confidence: float
    passes: int
    tolerance: float | None = None
    """The share below which the search was to stop; None where it was to run to its end."""
    stopped_early: bool = False
    """Whether attacks were left out since `high` was no more than the tolerance."""


class SmallestResult(Frozen):
    """The smallest changes that any attack found, over all samples; an upper bound on the truth, each of them.

    Samples that are misclassified as they are count as broken by a change of size 0; those that nothing was found for,
    as broken by none.
    """

    found: int
    """Samples that are classified correctly and for which an example was found."""
    median: float | None
    """Of the sizes for samples that are classified correctly; None where nothing was found for half of them."""
    median_interval: tuple[float | None, float | None]
    """From order statistics, at the run's confidence; None stands for an end that is not known."""
    half: float | None
    """The budget from which on at most half of all samples stand; None where more stand at any."""
    curve: tuple[tuple[float, float, float, float], ...] = ()
    """`(eps, robust accuracy, low, high)`, ascending in eps: the share that stands from this budget on, with its
    interval at each budget by itself."""


class CorruptionResult(Frozen):
    """Accuracy over all samples, wrong ones included, under one corruption at one severity."""

    name: str
    severity: int
    accuracy: float
    interval: Interval


class ChangeResult(Frozen):
    """How the smallest changes differ from the baseline's, over the `n` samples that both runs classify correctly."""

    n: int
    before: float | None
    """Median of the baseline's sizes over these samples; None where nothing was found for half of them."""
    after: float | None
    ratio: float | None
    """`after / before`; None where one of them is not known or the baseline's is 0."""
    smaller: int
    """Samples that now fall to a smaller change: they got worse."""
    larger: int
    unknown: int = 0
    """Samples that were not evaluated in one of the runs; they are not among the `n`."""
    p: float
    """Of the exact sign test: how likely so lopsided a count is, if nothing changed; corrected (Holm) for how many
    comparisons were made."""
    word: str
    """`worse`, `better`, `same`, or `no more than chance`."""


class DropResult(Frozen):
    """How accuracy differs from the baseline's, over the `n` samples that both runs hold and evaluated."""

    n: int
    before: float
    after: float
    lost: int
    """Samples that stood in the baseline and do not now."""
    gained: int
    unknown: int = 0
    """Samples that were not evaluated in one of the runs; they are not among the `n`."""
    interval: Interval
    """Of `before - after`: Tango's score interval for paired shares, at the run's confidence."""
    p: float
    """Of the exact McNemar test, corrected (Holm) for how many comparisons were made."""
    word: str
    """`worse`, `slightly worse` (by at most a point), `better`, `same`, or `no more than chance`."""
    doubts: tuple[str, ...] = ()
    """What else differs between the runs, so that the model is not all that changed."""
    effective_samples: int | None = None
    """Where a model answers at random: as many samples without chance would give an interval as wide, and gates go by
    them."""


class SequentialResult(Frozen):
    """How far a scan went that stops as soon as its gates are certain: over the first `audited` samples in the order
    that the seed gives."""

    audited: int
    of: int
    """All samples; those that were not audited are not evaluated."""
    right: int
    """Of those audited, classified correctly before any attack."""
    robust: int
    """Of those audited."""
    not_evaluated: int = 0
    """Of those audited: what an attack did not see to its end."""
    interval: Interval
    """Of the share that stands, the not evaluated ones included; it holds whenever one stops (arXiv:2010.09686)."""

    @property
    def stopped(self) -> bool:
        """Whether samples were left, since the outcome was certain or time had run out."""
        return self.audited < self.of

    @property
    def share(self) -> float:
        """Of those audited, what is not shown to be broken."""
        return (self.robust + self.not_evaluated) / self.audited


class WorstClassResult(Frozen):
    """The class of which the smallest share stands, over its `n` samples that were audited."""

    label: int
    n: int
    share: float
    interval: Interval
    """Exact (in a sequential scan one that holds whenever it stops), corrected for how many `classes` there are
    (Bonferroni), since the worst was picked after looking."""
    gap: float
    """How far it lies below the share of all samples."""
    classes: int


class CertificateResult(Frozen):
    """What a wrapper proves of the model behind it, sample by sample; each proof is wrong with a probability of at most
    `alpha`, by itself."""

    norm: Literal["l2"] = "l2"
    alpha: float
    abstained: int
    """Samples of which nothing is proven."""
    curve: tuple[tuple[float, float, float, float], ...] = ()
    """`(radius, certified accuracy, low, high)`, ascending: the share of all samples that is proven right against every
    change below the radius. Empty where nothing is."""


class ExpectationResult(Frozen):
    """What holds of a model that answers at random, over fresh draws at the worst point known of each sample: its
    adversarial example, or the point that came closest to one, or the sample itself where that is misclassified."""

    draws: int
    rule: Literal["majority"]
    """The class that most draws name counts. So robust accuracy is judged, on draws of its own."""
    majority: float
    """Share of samples that most draws got right."""
    any: float
    """Share of samples that every draw got right: any single draw that is wrong counts against it."""
    mean: float
    """Share of answers that were right, over samples and draws."""
    interval: Interval
    """Of `mean`; the draws' own variance is part of it."""
    effective_samples: int
    """As many samples without chance would give an interval as wide as robust accuracy has; gates go by it."""
