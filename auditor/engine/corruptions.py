"""How often the model is right under each corruption at each severity, over all samples that were audited.

An attack leaves what has fallen; here every sample meets every corruption, at a forward pass each.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from auditor.engine.store import batch_key
from auditor.events import Event, Progress, StageStarted
from auditor.result.anytime import anytime
from auditor.result.measures import CorruptionResult
from auditor.result.statistics import wilson
from auditor.rng import Rng
from auditor.types import Norm

if TYPE_CHECKING:
    from auditor.engine.attempt import Ring
    from auditor.engine.standing import Standing
    from auditor.engine.store import Store
    from auditor.samples.base import Samples

_ATTACK = "corruptions"
"""Samples are dealt what the attack of this name deals them, so the two never contradict each other."""


def corruption_facts(table: tuple[CorruptionResult, ...], clean_accuracy: float) -> dict[str, Any]:
    """The keys of a threat's record that the table fills."""
    if not table:
        return {}
    error = 1.0 - sum(cell.accuracy for cell in table) / len(table)
    return {
        "corruptions": table,
        "mean_corruption_error": error,
        "relative_corruption_error": error - (1.0 - clean_accuracy),
    }


def corruption_table(
    ring: Ring,
    samples: Samples,
    standing: Standing,
    store: Store,
    batch_size: int,
    identity: tuple[Any, ...],
    confidence: float,
    listen: Callable[[Event], None],
) -> tuple[CorruptionResult, ...]:
    """Accuracy per corruption and severity up to the threat's, over the samples that were audited; nothing under other
    threats, for samples that are no images, and where the time is up before all is seen. Where looking decided how
    many samples were audited, intervals hold however often one looks."""
    if ring.threat.norm is not Norm.CORRUPTION or len(samples.shape) != 3:
        return ()
    from auditor.corruptions import SEVERITIES

    cells = [(name, severity) for name in ring.threat.corruptions for severity in SEVERITIES]
    cells = [cell for cell in cells if cell[1] <= ring.threat.eps]
    audited, model, bounds = standing.audited, ring.target.name, wilson if standing.among is None else anytime
    n = len(audited)
    listen(StageStarted(model=model, title="accuracy under each corruption", total=n))
    right = torch.zeros(len(cells), dtype=torch.int64)
    for start in range(0, n, batch_size):
        indices = audited[start : start + batch_size].tolist()
        key = batch_key(*identity, "corruptions", cells, indices)
        known = store.get(key)
        if known is None:
            if time.monotonic() > ring.deadline:
                return ()
            known = {"right": _right(ring, samples, cells, indices)}
            store.put(key, known)
        right += torch.tensor(known["right"])
        listen(Progress(model=model, done=start + len(indices), total=n, broken=0))
    store.flush()
    return tuple(
        CorruptionResult(name=name, severity=severity, accuracy=k / n, interval=bounds(k, n, confidence))
        for (name, severity), k in zip(cells, right.tolist(), strict=True)
    )


def _right(ring: Ring, samples: Samples, cells: list[tuple[str, int]], indices: list[int]) -> list[int]:
    """How many of these samples the model gets right in each cell."""
    from auditor.corruptions.space import DRAWS, number_of

    device = ring.target.device
    x, y = samples.fetch(indices).to(device), samples.labels[indices].to(device)
    seeds = Rng.keyed(ring.seed, _ATTACK, torch.tensor(indices, device=device)).integers(DRAWS).to(x.dtype)
    counts = []
    for name, severity in cells:
        kind = torch.tensor([number_of(name), severity], dtype=x.dtype, device=device)
        points = torch.cat([kind.expand(len(x), 2), seeds[:, None]], 1)
        counts.append((ring.target.judged(ring.threat.render(points, x)).argmax(1) == y).sum())
    whole: list[int] = torch.stack(counts).tolist()
    return whole
