"""The worst points known of a model that answers at random, asked about anew, draw by draw.

What a search kept, it kept for answers that it had seen. So what holds in expectation is measured on fresh ones. What
was drawn once is kept: a resumed run says the same, also where the points that came closest are forgotten by then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from auditor.engine.store import batch_key
from auditor.result.evidence import read_evidence

if TYPE_CHECKING:
    from auditor.engine.aims import Aims
    from auditor.engine.batches import Batches
    from auditor.engine.store import Store
    from auditor.samples.base import Samples
    from auditor.target.base import Target
    from auditor.types import Images


def fooled_clean(
    target: Target, samples: Samples, batch_size: int, store: Store, identity: tuple[Any, ...]
) -> np.ndarray:
    """Which draw gets which sample wrong as it is, `(draws, n)` bool."""
    return _kept(store, batch_key(*identity, "draws", target.draws), lambda: _clean(target, samples, batch_size))


def _clean(target: Target, samples: Samples, batch_size: int) -> np.ndarray:
    fooled = np.zeros((target.draws, len(samples)), dtype=bool)
    for chunk in _chunks(np.arange(len(samples)), batch_size):
        y = samples.labels[chunk].to(target.device)
        fooled[:, chunk] = _wrong(target, samples.fetch(chunk.tolist()).to(target.device), y)
    return fooled


def fooled_worst(batches: Batches, clean: np.ndarray) -> np.ndarray:
    """Which draw is fooled by the worst point known of which audited sample, `(draws, m)` bool: its example, or what
    came closest to one. What is not attacked is as it was in `clean`, `(draws, n)`. The standing is told how many."""
    standing = batches.standing
    fell = sorted((index, by) for index, (by, _) in standing.broken_by.items())
    key = batch_key(*batches.identity, "draws", str(batches.ring.threat), len(clean), fell)
    fooled, audited = _kept(batches.store, key, lambda: _worst(batches, clean)), standing.audited
    standing.fooled = np.full(clean.shape[1], -1)
    standing.fooled[audited] = fooled[:, audited].sum(0)
    return fooled[:, audited]


def _worst(batches: Batches, clean: np.ndarray) -> np.ndarray:
    ring, standing = batches.ring, batches.standing
    fooled, left = clean.copy(), set(standing.broken_by)
    for shard in read_evidence(batches.store.run, ring.target.name, ring.threat.norm, ring.threat.eps):
        mine = [row for row, index in enumerate(shard.index.tolist()) if index in left]
        left -= {int(shard.index[row]) for row in mine}
        for rows in _chunks(np.array(mine, dtype=np.int64), batches.batch_size):
            part = shard.select(rows)
            x, points = (torch.from_numpy(values).to(ring.target.device) for values in (part.original, part.judged))
            aims = standing.clean.aims(part.index, ring.target.device)
            fooled[:, part.index] = _reached(ring.target, ring.threat.render(points, x), aims)
    for chunk in _chunks(standing.standing(), batches.batch_size):
        x = batches.samples.fetch(chunk.tolist()).to(ring.target.device)
        points, _ = batches.memory.recall(chunk, ring.threat.origin(x))
        points = ring.threat.project(points, ring.threat.origin(x))
        aims = standing.clean.aims(chunk, ring.target.device)
        fooled[:, chunk] = _reached(ring.target, ring.threat.render(points, x), aims)
    return fooled


def _kept(store: Store, key: str, draw: Callable[[], np.ndarray]) -> np.ndarray:
    """What was drawn under this key, `(draws, n)` bool; drawn now if nothing was yet."""
    if (known := store.get(key)) is None:
        drawn = draw()
        known = {"of": drawn.shape[1], "draws": [row.tobytes().hex() for row in np.packbits(drawn, axis=1)]}
        store.put(key, known)
        store.flush()
    rows = np.array([list(bytes.fromhex(row)) for row in known["draws"]], dtype=np.uint8)
    return np.unpackbits(rows, axis=1, count=known["of"]).astype(bool)


def _reached(target: Target, images: Images, aims: Aims) -> np.ndarray:
    return _stacked([aims.reached(target.answer(images)) for _ in range(target.draws)])


def _wrong(target: Target, x: Images, y: Tensor) -> np.ndarray:
    return _stacked([target.answer(x).argmax(1) != y for _ in range(target.draws)])


def _stacked(draws: list[Tensor]) -> np.ndarray:
    values: np.ndarray = torch.stack(draws).cpu().numpy()
    return values


def _chunks(of: np.ndarray, size: int) -> Iterator[np.ndarray]:
    return (of[start : start + size] for start in range(0, len(of), size))
