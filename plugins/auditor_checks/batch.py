"""Does a sample get the same answer whoever else is in its batch?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.check import Finding, Severity
from auditor.target.batching import Loop, Mapped, as_rows
from auditor_checks._answers import affordable, in_batches, spread
from auditor_checks._base import TrustCheck, share

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.scene import Scene
    from auditor.target.base import Network, Target

_ALONE = 16
_DIFFERENCE, _MARGIN, _FLIPS = 1e-3, 1e-3, 0.01
_AGAIN = 16
"""Times that the same batch is asked again before its company is blamed: a coin often falls alike twice."""


class BatchInvariance(TrustCheck):
    """A sample gets the same answer alone, in a batch, and in another batch.

    Seen: answers that change with the size of the batch or with the other samples in it.
    Means: an attacked sample is judged in other company than a clean one, so accuracies are those of a moving
        target (TRADES #3). Causes: BatchNorm on the batch's statistics, a scale of dynamic quantisation that is
        computed over the whole batch, a reshape that mixes samples.
    Measured: raw outputs of up to 16 samples alone and of the preflight samples in two orders, each against the
        batch in the original order; label changes count where one of the two answers leads by more than 1e-3
        of the usual spread of scores. Nothing is said where the same batch, asked up to 17 times again, is answered in
        another way: that is chance (AUD108). A model that takes batches, and is asked sample by sample since they
        change its answers, is asked in batches here.
    Threshold: a relative L2 difference above 1e-3 warns; label changes on more than 1 % of samples stop the audit,
        unless it runs with `--batch-size 1` (proposed).
    Do: audit the model as it is deployed; if it is asked one sample at a time, add `--batch-size 1`.
    """

    code: ClassVar[str] = "AUD107"
    title: ClassVar[str] = "Answers depend on the rest of the batch"

    def inspect(self, scene: Scene) -> Iterator[Finding]:
        x = scene.x[affordable(scene)]
        if len(x) < 2:
            return
        together = _raw(scene, x)
        if not torch.equal(together, _raw(scene, x)):
            return  # The same batch twice gives two answers: that is AUD108's business, and no batch size mends it.
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
        some = spread(len(x), _ALONE)
        alone = torch.cat([_raw(scene, x[i : i + 1]) for i in some.tolist()])
        other = torch.cat([_raw(scene, x[order]), alone])
        first = torch.cat([together[order], together[some]])
        scale = together.norm(dim=1).mean().clamp_min(1e-30)
        difference = float(((other - first).norm(dim=1) / scale).max())
        flips = int(_flipped(scene, first, other).sum())
        if not difference > _DIFFERENCE and not flips:
            return
        if any(not torch.equal(together, _raw(scene, x)) for _ in range(_AGAIN)):
            return
        one_by_one = scene.settings.batch_size == 1
        yield self.finding(
            Severity.BLOCK if flips > _FLIPS * len(first) and not one_by_one else Severity.WARN,
            f"Asked in another batch, the model's outputs differ by {difference:.2g} of their usual size, and "
            f"{share(flips, len(first))} answers name another class.",
            "" if one_by_one else "Add --batch-size 1 if the model is deployed so, or mend what mixes the samples.",
            evidence={"largest difference, relative": difference, "other answers": flips, "compared": len(first)},
        )


def _raw(scene: Scene, x: Tensor) -> Tensor:
    target = scene.target

    def rows(part: Tensor) -> Tensor:
        if (native := _native(target)) is not None and len(part) > 1:
            with torch.no_grad(), suppress(Exception):  # a border: that it takes no batches is no finding
                return as_rows(native(target.inputs(part.to(target.device))), len(part)).cpu()
        return as_rows(target.raw(part), len(part))

    return in_batches(rows, x)


def _native(target: Target) -> Network | None:
    """The network itself, where the audit asks it sample by sample though it declares no size of batches."""
    free = target.input_shape is None or target.input_shape[0] is None
    way = target.deployed
    return way.network if free and isinstance(way, Loop | Mapped) and way.size == 1 else None


def _flipped(scene: Scene, first: Tensor, other: Tensor) -> Tensor:
    """Which rows name another class by more than rounding can explain."""
    a, b = scene.target.head.to_logits(first), scene.target.head.to_logits(other)
    spread = (a.amax(1) - a.amin(1)).mean()
    lead = torch.maximum(_lead(a), _lead(b))
    return (a.argmax(1) != b.argmax(1)) & (lead > _MARGIN * spread)


def _lead(logits: Tensor) -> Tensor:
    if logits.shape[1] < 2:
        return torch.zeros(len(logits))
    top = logits.topk(2, 1).values
    return top[:, 0] - top[:, 1]
