"""What the scores of the epochs tell: is this the best so far, did training collapse, does it overfit?"""

from __future__ import annotations

from collections.abc import Sequence

from auditor.harden.progress import Epoch, Progress

PATIENCE = 6
"""Epochs without a better one, or a fifth of all, after which robust accuracy that fell counts as overfitting."""

FALL = 0.03
"""By how much it has to have fallen."""

COLLAPSE = 0.5
"""Robust accuracy below this share of the best, while one step still fools no more than before, is a collapse."""


def allowed(progress: Progress, epoch: Epoch, keep_clean: float | None) -> bool:
    """Whether the epoch lost no more clean accuracy than it may."""
    return keep_clean is None or epoch.score.clean >= progress.history[0].score.clean - keep_clean - 1e-9


def best(progress: Progress, keep_clean: float | None) -> Epoch:
    """The epoch with the best robust accuracy among those allowed; of equals the one with more clean accuracy, and
    the earlier."""
    candidates = [epoch for epoch in progress.history if allowed(progress, epoch, keep_clean)]
    return max(candidates, key=lambda epoch: (epoch.score.robust, epoch.score.clean, -epoch.number))


def collapsed(history: Sequence[Epoch]) -> bool:
    """Catastrophic overfitting (Wong et al., arXiv:2001.03994): robust to one step as before, to several no more."""
    now, before = history[-1].score, max(history[:-1], key=lambda epoch: epoch.score.robust).score
    return (
        before.robust > 0.1
        and now.robust < COLLAPSE * before.robust
        and now.single >= 0.9 * before.single
        and now.single > 2.0 * now.robust
    )


def gave_up(history: Sequence[Epoch], floor: float) -> bool:
    """Whether the network came to give nearly all samples one answer, which no attack changes.

    `floor` is the accuracy of always answering with the most frequent class.
    """
    return history[-1].score.clean <= floor + 0.02 < history[0].score.clean - 0.1


def overfits(progress: Progress) -> bool:
    """Robust overfitting (Rice et al., arXiv:2002.11569): in the second half of the epochs the best one is long past,
    and robust accuracy fell. Before, the learning rate is high, and what falls still rises again."""
    history = progress.history
    top = max(history, key=lambda epoch: (epoch.score.robust, -epoch.number))
    recent = [epoch.score.robust for epoch in history if epoch.number > top.number]
    patience = max(PATIENCE, progress.epochs // 5)
    late = 2 * progress.epoch > progress.epochs
    return late and len(recent) >= patience and max(recent[-3:]) < top.score.robust - FALL
