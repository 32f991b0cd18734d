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
from auditor_checks._outdone import counted, heard
from auditor_checks._ways import FEW, Way, and_queries, reaching

if TYPE_CHECKING:
    from auditor.engine.inquiry import Inquiry
    from auditor.engine.scene import Scene
    from auditor.engine.view import View
    from auditor.result.record import AttackRun
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat

_SHARE, _SURROGATE = 0.01, "surrogate"
_TRIED, _ROUNDS = 32, 3
_FROM_EXAMPLES = Way(
    attack="apgd",
    effort="steps",
    said="steps from the closest points known",
    advice="Read AUD112 and AUD113 for what hides the gradients.",
    parameters={"loss": "margin", "steps": 40, "start": "closest"},
)


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

    Seen: what fooled another model fools this one, on samples that its own attacks had looked at and not broken.
    Means: attacks that see the model should find at least what those find that do not; its gradients hide what they
        should show (Carlini et al., arXiv:1902.06705; Athalye et al., arXiv:1802.00420).
    Measured: what the surrogates of `--surrogate` broke after the first attack with gradients; where several models are
        audited, the examples of those before it on the command line under the same threat, on the samples of this one
        that stand, and once all are audited those made for the transfer matrix on every other model; what fools it
        counts. Where many do, surrogates make examples again, with twice the steps each time while that pays. Up to 32
        of the samples that fell are tried in the ways of AUD202. What breaks them, 40 steps up the margin from the
        closest points known, and queries are run on all that stand, with twice the effort each time until that breaks
        no more; after the matrix the steps alone.
    Threshold: more than 1 % of all samples, and more than one (proposed). The doubt stays where two of the samples
        tried fall to no attack on the model itself, or the search does not come to its end.
    Do: read AUD112 and AUD113 for what hides the gradients; audit with `--bpda`, or with `--suite thorough`.
    """

    code: ClassVar[str] = "AUD213"
    title: ClassVar[str] = "Examples of another model broke what white-box attacks missed"

    def ask(self, scene: Scene, inquiry: Inquiry) -> Iterator[Finding]:
        white, broken = bool(climbs(inquiry)), _by_surrogates(inquiry)
        if (others := list(self._handed_in(inquiry))) or inquiry.surrogates:
            broken += sum(run.broken for run in others)
            inquiry.show(**{"broken by examples of other models": broken})
        # Where nothing followed gradients, nothing was to find them first.
        if not white or not more_than_few(broken, inquiry.total, _SHARE):
            return
        inquiry.doubt(f"Examples of other models broke {share(broken, inquiry.total)} samples that withstood all else.")
        yield self._mend(inquiry)

    def _handed_in(self, inquiry: Inquiry) -> Iterator[AttackRun]:
        """The examples of the other models that any are known of under this threat, tried on this one."""
        names = models_with_evidence(inquiry.batches.store.run)
        for model in (name for name in names if name != slug(inquiry.target.name)):
            on = inquiry.affordable(inquiry.standing, 3 * inquiry.target.draws, inquiry.total)
            keys = {int(i): key_of(sample) for i, sample in zip(on, inquiry.fetch(on)[0], strict=True)}
            known = {keys[i]: point for i, point in self._examples(inquiry, model) if i in keys}
            if known:
                todo = on[[keys[int(i)] in known for i in on]]
                yield inquiry.attack(Transfer(source=model, known=known), todo)

    def _examples(self, inquiry: Inquiry, model: str) -> Iterator[tuple[int, Tensor]]:
        threat = inquiry.threat
        for shard in read_evidence(inquiry.batches.store.run, model, threat.norm, threat.eps):
            yield from zip(shard.index.tolist(), torch.from_numpy(shard.judged), strict=True)

    def _mend(self, inquiry: Inquiry) -> Finding:
        ended = [self._again(inquiry, i) for i, attack in enumerate(inquiry.surrogates) if attack.usable]
        fallen = inquiry.broken_by(Transfer.name, _SURROGATE)
        some = fallen[:: max(1, len(fallen) // _TRIED)][:_TRIED]
        ways, left = reaching(inquiry, some)
        ended.append(and_queries(inquiry, [_FROM_EXAMPLES, *ways]))
        told = f"{inquiry.doubts[0]} {heard(ways, len(some) - len(left), len(some))} {counted(inquiry)}"
        if all(ended) and len(left) < 2:
            return self.mended(told)
        return self.finding(
            Severity.INCONCLUSIVE,
            told,
            "Read AUD112 and AUD113 for what hides the gradients; audit with --bpda, or --suite thorough.",
        )

    def _again(self, inquiry: Inquiry, number: int) -> bool:
        """Make examples on surrogates with twice the steps while that pays; whether it came to that."""
        attack = inquiry.surrogates[number]
        for _ in range(_ROUNDS):
            attack = attack.longer()
            run = inquiry.attack(attack)
            if run.status != "ran" or not more_than_few(run.broken, inquiry.total, FEW):
                return run.status == "ran" or not len(inquiry.standing)
        return False


def _by_surrogates(inquiry: Inquiry) -> int:
    """Samples that the plan's surrogates broke after an attack that followed the model's own gradients."""
    plan = [run for run in inquiry.runs if not run.because]
    white = next((i for i, run in enumerate(plan) if run.access == Access.GRADIENTS and run.attacked), len(plan))
    return sum(run.broken for run in plan[white:] if run.attack == _SURROGATE)
