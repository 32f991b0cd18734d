"""What an attack did under conditions that are not the threat's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from auditor.engine.aims import Aims
from auditor.engine.attempt import attempt
from auditor.engine.batches import parameters
from auditor.engine.store import batch_key

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.attempt import Ring
    from auditor.engine.inquiry import Inquiry
    from auditor.engine.plan import Step
    from auditor.types import Labels


@dataclass(frozen=True)
class Trial:
    """What an attack did under other conditions; nothing of it is counted.

    `fell` says which samples it broke there, `(n,)`; `margin` how far each got: the largest wrong logit less the true
    one, at the closest point.
    """

    fell: np.ndarray
    margin: np.ndarray
    images: Tensor | None = None
    """Where they were to be kept: the images that broke samples, elsewhere the samples themselves, `(n, …)`."""
    status: str = "ran"
    reason: str = ""

    @property
    def ended(self) -> bool:
        """Whether the attack ran to its end."""
        return self.status == "ran"


def nothing(count: int, why: str = "") -> Trial:
    """Of so many samples, if the trial could not be made, or there was none to make it on."""
    status = "skipped" if why else "ran"
    return Trial(np.zeros(count, bool), np.full(count, -np.inf, np.float32), None, status, why)


def joined(parts: Sequence[Trial]) -> Trial:
    """Trials on samples that follow each other, as one; it ended where all of them did."""
    bad = next((part for part in parts if not part.ended), parts[0])
    images = [part.images for part in parts if part.images is not None]
    return Trial(
        np.concatenate([part.fell for part in parts]),
        np.concatenate([part.margin for part in parts]),
        torch.cat(images) if images else None,
        bad.status,
        bad.reason,
    )


def tried(
    inquiry: Inquiry,
    ring: Ring,
    step: Step,
    on: np.ndarray,
    said: tuple[Labels | None, ...],
    seen: tuple[object, ...],
    *,
    keep: bool,
) -> Trial:
    """One batch of a trial, with labels of its own and classes wanted, if any, in `said`; what was tried before an
    interruption is remembered."""
    batches = inquiry.batches
    where = (inquiry.code, ring.target.name, str(ring.threat), ring.draws, seen, ring.target.through)
    labels, wanted = said
    classes = [None if given is None else given.tolist() for given in said]
    key = batch_key(*batches.identity, "trial", *where, step.name, parameters(step), on.tolist(), *classes)
    images = None
    if keep or (known := batches.store.get(key)) is None:
        x, y = inquiry.fetch(on)
        aims = inquiry.found.clean.aims(on, ring.target.device) if labels is None else Aims(labels.to(y.device), None)
        aims = aims if wanted is None else Aims(aims.y, wanted.to(y.device))
        outcome = attempt(ring, step, x, aims, torch.from_numpy(on))
        fell = np.zeros(len(on), bool)
        fell[outcome.found.rows.numpy()] = True
        known = {
            "fell": fell.tolist(),
            "margin": outcome.closest_margin.float().cpu().tolist(),
            "passes": [outcome.forwards, outcome.backwards],
            "ended": [outcome.status, outcome.reason],
        }
        if keep:
            images = x.cpu().index_copy(0, outcome.found.rows, outcome.found.adversarial)
        elif outcome.status == "ran":
            batches.store.put(key, known)
    inquiry.spend(*known["passes"])
    return Trial(np.array(known["fell"], bool), np.array(known["margin"], np.float32), images, *known["ended"])
