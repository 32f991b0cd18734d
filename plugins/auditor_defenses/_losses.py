"""Losses of logits `(N, K)` that recipes share, per sample: `(N,)`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.harden.trainee import Trainee
    from auditor.types import Images, Labels, Logits


def wrong(y: Labels) -> Callable[[Logits], Tensor]:
    """What an untargeted example raises: the cross-entropy of its label."""
    return partial(functional.cross_entropy, target=y, reduction="none")


def divergence(logits: Logits, reference: Logits) -> Tensor:
    """How far the answer `logits` is from the answer `reference`: KL(reference || logits)."""
    kept = reference.log_softmax(1)
    return (kept.exp() * (kept - logits.log_softmax(1))).sum(1)


def boosted(logits: Logits, y: Labels) -> Tensor:
    """Cross-entropy that also wants the strongest wrong class gone (the boosted cross-entropy of MART)."""
    rival = logits.softmax(1).scatter(1, y[:, None], 0.0).amax(1)
    # The authors' 1.0001: the slope stays finite, and is still there, where a wrong class is all but certain.
    return wrong(y)(logits) - torch.log(1.0001 - rival)


def both(trainee: Trainee, x: Images, adversarial: Images) -> tuple[Logits, Logits]:
    """Logits of clean and adversarial samples from one pass, so that batch normalisation sees them mixed, as later."""
    clean, attacked = trainee(torch.cat([x, adversarial])).chunk(2)
    return clean, attacked
