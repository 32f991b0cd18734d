"""What fooled one model of a scan is tried on the next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from auditor.attack import Attack, Passes
from auditor.check import Finding, Severity
from auditor.parameters import parameter
from auditor.result.evidence import models_with_evidence, read_evidence, slug
from auditor.types import Access, Norm
from auditor_checks._base import share
from auditor_checks._inquiry import InquiryCheck, climbs, more_than_few

if TYPE_CHECKING:
    from auditor.engine.inquiry import Inquiry
    from auditor.engine.scene import Scene
    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat

_SHARE = 0.01
_STEPS = 40


@dataclass(frozen=True, kw_only=True)
class Transfer(Attack):
    """Hands in what fooled another model on the same samples.

    Finds: what models have in common. Blind to: the rest. Cost: a forward pass.
    """

    name: ClassVar[str] = "transfer"
    norms: ClassVar[frozenset[Norm]] = frozenset(Norm)
    access: ClassVar[Access] = Access.TRANSFER

    source: str = parameter("", help="the model whose examples these are")
    known: dict[bytes, Tensor] = field(default_factory=dict, repr=False, compare=False)
    """Points of the threat's space, `(…)`, by the pixels of the sample."""

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=1, backwards=0)

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        pixels = target.images
        return torch.stack([self.known.get(key_of(pixels[i]), x[i]) for i in range(len(x))]).to(x)


def key_of(x: Tensor) -> bytes:
    """One sample's pixels, to look it up by."""
    return x.detach().cpu().contiguous().numpy().tobytes()


class TransferBeatsWhiteBox(InquiryCheck):
    """Examples of another model break nothing that white-box attacks missed.

    Seen: what fooled another model of the scan fools this one, on samples that its own attacks did not break.
    Means: attacks that see the model should find at least what those find that do not; its gradients hide what they
        should show (Carlini et al., arXiv:1902.06705; Athalye et al., arXiv:1802.00420).
    Measured: where several models are audited, the examples of those before it on the command line under the same
        threat, on the samples of this one that stand, and once all are audited those made for the transfer matrix on
        every other model; what fools it counts. Where many do, 40 steps up the margin start from them, on all samples
        that stand, and twice as many where that breaks more.
    Threshold: more than 1 % of all samples, and more than one (proposed). The doubt stays if the last attack from there
        still breaks more than 1 %, or there are no gradients to start with.
    Do: read AUD112 and AUD113 for what hides the gradients; audit with `--bpda`, or with `--suite thorough`.
    """

    code: ClassVar[str] = "AUD213"
    title: ClassVar[str] = "Examples of another model broke what white-box attacks missed"

    def ask(self, scene: Scene, inquiry: Inquiry) -> Iterator[Finding]:
        broken, tried, white = 0, 0, bool(climbs(inquiry))
        for model in self._others(inquiry):
            on = inquiry.affordable(inquiry.standing, 3 * inquiry.target.draws, inquiry.total)
            keys = {int(i): key_of(sample) for i, sample in zip(on, inquiry.fetch(on)[0], strict=True)}
            known = {keys[i]: point for i, point in self._examples(inquiry, model) if i in keys}
            if known:
                todo = on[[keys[int(i)] in known for i in on]]
                run = inquiry.attack(Transfer(source=model, known=known), todo)
                broken, tried = broken + run.broken, tried + run.attacked
        if tried:
            inquiry.show(**{"broken by examples of other models": broken})
        # Where nothing followed gradients, nothing was to find them first.
        if not white or not more_than_few(broken, inquiry.total, _SHARE):
            return
        inquiry.doubt(f"Examples of other models broke {share(broken, inquiry.total)} samples that withstood all else.")
        yield self._mend(inquiry)

    def _others(self, inquiry: Inquiry) -> list[str]:
        """The other models that examples are known of under this threat."""
        names = models_with_evidence(inquiry.batches.store.run)
        return [name for name in names if name != slug(inquiry.target.name)]

    def _examples(self, inquiry: Inquiry, model: str) -> Iterator[tuple[int, Tensor]]:
        threat = inquiry.threat
        for shard in read_evidence(inquiry.batches.store.run, model, threat.norm, threat.eps):
            yield from zip(shard.index.tolist(), torch.from_numpy(shard.judged), strict=True)

    def _mend(self, inquiry: Inquiry) -> Finding:
        said, steps = inquiry.doubts[0], _STEPS
        for _ in range(2):
            run = inquiry.attack("apgd", loss="margin", steps=steps, start="closest")
            if run.status != "ran":
                break
            if not more_than_few(run.broken, inquiry.total, _SHARE):
                return self.mended(f"{said} They count; {steps} steps from there broke {run.broken} more.")
            steps *= 2
        return self.finding(
            Severity.INCONCLUSIVE,
            f"{said} " + (f"{run.name}: {run.reason}." if run.reason else f"{run.name} still broke {run.broken}."),
            "Read AUD112 and AUD113 for what hides the gradients; audit with --bpda, or --suite thorough.",
        )
