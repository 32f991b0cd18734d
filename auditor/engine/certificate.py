"""The proofs of a wrapper that certifies, batch by batch; what was proven before an interruption is remembered."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from auditor.engine.store import batch_key
from auditor.events import Event, Progress, StageStarted
from auditor.result.certificate import Proof, certified, reach
from auditor.rng import Rng
from auditor.target.wrapped import Wrapped

if TYPE_CHECKING:
    from auditor.engine.done import Done
    from auditor.engine.store import Store
    from auditor.samples.base import Samples
    from auditor.target.base import Target


@dataclass(frozen=True)
class Certificate:
    """All proofs about one model, each wrong with a probability of at most `alpha`; samples have so many `values`."""

    proofs: tuple[Proof, ...] = ()
    alpha: float = 0.0
    values: int = 0

    def facts(self, done: Done, confidence: float) -> dict[str, Any]:
        """The keys of a threat's record that the proofs fill."""
        radius = reach(done.threat.norm, done.threat.eps, self.values)
        if not self.proofs or radius is None:
            return {}
        share, interval = certified(self.proofs, radius, self.alpha, confidence)
        broken = sum(proof.stands > radius and proof.index in done.standing.broken_by for proof in self.proofs)
        return {"certified_accuracy": share, "certified_interval": interval, "certified_broken": broken}


def certify(
    target: Target,
    samples: Samples,
    store: Store,
    batch_size: int,
    identity: tuple[Any, ...],
    listen: Callable[[Event], None],
    deadline: float,
) -> Certificate:
    """A proof for every sample; none where no wrapper proves anything, or time runs out before all are done.

    Args:
        identity: what decides outcomes besides the samples; the seed comes last.
    """
    first = next(iter(target.wrapped.wrappers), None)
    if first is None or not first.certifies:
        return Certificate()
    n = len(samples)
    behind = replace(target, wrapped=Wrapped(target.wrapped.wrappers[1:]), draws=1)
    listen(StageStarted(model=target.name, title=f"certificate of {first.name}", total=n))
    proofs: list[Proof] = []
    for start in range(0, n, batch_size):
        indices = list(range(start, min(start + batch_size, n)))
        key = batch_key(*identity, "certificate", first.name, indices[0], indices[-1])
        if (known := store.get(key)) is None:
            if time.monotonic() > deadline:
                return Certificate()
            rng = Rng.keyed(identity[-1], "certificate", torch.tensor(indices, device=target.device))
            found = first.certify(behind.answer, samples.fetch(indices).to(target.device), rng)
            known = {"prediction": found.prediction.tolist(), "radius": found.radius.tolist()}
            store.put(key, known)
            store.flush()
        labels = samples.labels[indices].tolist()
        rows = zip(indices, labels, known["prediction"], known["radius"], strict=True)
        proofs += [Proof(model=target.name, index=i, label=y, prediction=p, radius=r) for i, y, p, r in rows]
        wrong = sum(not proof.stands for proof in proofs)
        listen(Progress(model=target.name, done=len(proofs), total=n, broken=wrong))
    return Certificate(tuple(proofs), first.level, torch.Size(samples.shape).numel())
