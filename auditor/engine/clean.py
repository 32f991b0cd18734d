"""The clean pass: what the deployed model says of every sample before anything is changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from auditor.engine.aims import towards
from auditor.engine.ledger import margins
from auditor.engine.standing import Clean
from auditor.engine.store import batch_key
from auditor.errors import DataError, ModelError
from auditor.events import Event, Progress, StageStarted
from auditor.types import Goal

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.store import Store
    from auditor.samples.base import Samples
    from auditor.target.base import Target
    from auditor.types import Images, Labels, Logits, Threat


def clean_pass(
    target: Target,
    samples: Samples,
    store: Store,
    batch_size: int,
    listen: Callable[[Event], None],
    identity: tuple[Any, ...],
    goal: Threat | None = None,
) -> Clean:
    """Predictions and confidences on all samples, batch by batch; what is already known is not run again.

    Raises:
        DataError: a label lies outside the model's classes.
    """
    labels = samples.labels.numpy()
    check_labels(labels, target)
    listen(StageStarted(model=target.name, title="clean accuracy", total=len(samples)))
    predictions: list[int] = []
    confidences: list[float] = []
    gaps: list[float] = []
    aimed: list[int] = []
    digests: list[str] = []
    wrong = 0
    for start in range(0, len(samples), batch_size):
        indices = list(range(start, min(start + batch_size, len(samples))))
        key = batch_key(*identity, "clean", *_named(goal), indices[0], indices[-1])
        known = store.get(key)
        if known is None:
            known = _measured(target, samples, indices, goal)
            store.put(key, known)
        predictions += known["prediction"]
        confidences += known["confidence"]
        gaps += known["margin"]
        aimed += known["wanted"]
        digests += known["digest"]
        wrong += int((np.array(known["prediction"]) != labels[indices[0] : indices[-1] + 1]).sum())
        listen(Progress(model=target.name, done=len(predictions), total=len(samples), broken=wrong))
    store.flush()
    classes = np.array(aimed, dtype=np.int64) if goal and goal.goal is Goal.TARGETED else None
    return Clean(
        labels,
        np.array(predictions, dtype=np.int64),
        np.array(confidences),
        np.array(gaps),
        classes,
        tuple(digests),
    )


def check_labels(labels: np.ndarray, target: Target) -> None:
    """Raises DataError where one of the labels, `(N,)`, is no class of the target."""
    if len(labels) and (labels.min() < 0 or labels.max() >= target.num_classes):
        outside = int(labels.max() if labels.max() >= target.num_classes else labels.min())
        raise DataError(
            f"The data holds label {outside}, but {target.name} answers with {target.num_classes} classes "
            f"(0 to {target.num_classes - 1}). If the data names its classes in another order, say the model's "
            f"order with --classes FILE."
        )


def _measured(target: Target, samples: Samples, indices: list[int], goal: Threat | None) -> dict[str, list[Any]]:
    """What is remembered of these samples' answers."""
    x = samples.fetch(indices)
    logits = _answered(target, samples, indices, x)
    confidence, prediction = logits.softmax(1).max(1)
    labels = samples.labels[indices]
    y = labels.to(logits.device)
    chosen = wanted(goal, logits)
    margin = margins(logits, y) if chosen is None else margins(towards(logits, chosen), torch.zeros_like(y))
    return {
        "wanted": [] if chosen is None else chosen.tolist(),
        "prediction": prediction.tolist(),
        "confidence": confidence.tolist(),
        "margin": margin.nan_to_num(0.0).tolist(),
        "digest": [digest(sample, label) for sample, label in zip(x, labels.tolist(), strict=True)],
    }


def _named(goal: Threat | None) -> tuple[Any, ...]:
    return () if goal is None or goal.goal is not Goal.TARGETED else (str(goal.goal), goal.target)


def wanted(goal: Threat | None, logits: Logits) -> Labels | None:
    """The classes that a targeted goal wants: one for all, or each sample's least likely."""
    if goal is None or goal.goal is not Goal.TARGETED:
        return None
    least = logits.argmin(1)
    return least if goal.target is None else torch.full_like(least, goal.target)


def digest(x: Tensor, label: int) -> str:
    """Of one sample's pixels, `(C, H, W)` on the CPU, and its label."""
    return hashlib.sha256(x.contiguous().numpy().tobytes() + label.to_bytes(8, "little")).hexdigest()[:24]


def _answered(target: Target, samples: Samples, indices: list[int], x: Images) -> Logits:
    """Logits of these samples. A class that is ruled out may have minus infinity; an answer needs a finite maximum."""
    logits = target.judged(x)
    useless = logits.isnan().any(1) | logits.amax(1).isinf()
    if bool(useless.any()):
        first = samples.names([indices[int(useless.nonzero()[0, 0])]])[0]
        raise ModelError(
            f"{target.name} answers sample {first} with NaN or infinity; check --input-range, --mean and --std, "
            f"and the precision that the model was exported with."
        )
    return logits
