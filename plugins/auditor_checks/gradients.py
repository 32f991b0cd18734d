"""Do gradients exist, and do they point anywhere?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

import torch
from torch.nn import functional

from auditor.check import Finding, Severity
from auditor.engine.ledger import margins
from auditor.target.notices import TWIN
from auditor.target.passing import obstacle, passed
from auditor_checks._answers import affordable, clean_logits, in_batches, right
from auditor_checks._base import TrustCheck, share

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.scene import Scene
    from auditor.engine.view import Loss

_FEW = 0.05
# What to do where the margin has no gradient either, and where it has.
_SEEN = "Attacks with margin losses (apgd:loss=dlr) see where cross-entropy does not."
_FLAT = ("Gradient attacks are blind here: look for rounding, hard thresholds or saturation in the model.", _SEEN)
_NOT_FINITE = (
    "Look for a square root, a logarithm or a division at zero in the model, or give it in float32.",
    _SEEN,
)


class Differentiable(TrustCheck):
    """The model, or a twin of it, can be differentiated.

    Seen: there are no gradients: no differentiable form of the model, or one whose graph is broken.
    Means: white-box attacks cannot run as they should, and black-box attacks find less. The robust accuracy is an
        upper bound that is further from the truth than usual (the failure "non-differentiable model" of Pintor et al.,
        arXiv:2106.09947).
    Measured: the gradient of the logits of two samples with respect to their pixels; where there is none, one that
        passes rounding, comparisons and choices of the largest, then that of the operations that the model carries
        out, whatever it says of them itself. Attacks follow the first that exists.
    Threshold: it does not exist, or computing it raises (Pintor et al.).
    Do: give the PyTorch model that the file was exported from; for a step that cannot be differentiated, a
        differentiable stand-in for it (BPDA, Athalye et al., arXiv:1802.00420).
    """

    code: ClassVar[str] = "AUD112"
    title: ClassVar[str] = "The model gives no gradients"

    def inspect(self, scene: Scene) -> Iterator[Finding]:
        if scene.target.twin is None and any(finding.code == TWIN for finding in scene.target.findings):
            # The loader has said so already, and why.
            return
        trouble = _trouble(scene)
        if not trouble:
            return
        around = (
            "Only black-box attacks can judge this model, so its robustness is overestimated."
            if passed(scene.target, scene.x[:2]) is None
            else "Attacks follow gradients past that, as if it were not there."
        )
        yield self.finding(
            Severity.WARN, f"{trouble} {around}", "Audit the float PyTorch model that it was made from as well."
        )


def _trouble(scene: Scene) -> str:
    return obstacle(scene.target, scene.x[:2], scene.target.through)


class UsefulGradients(TrustCheck):
    """The gradients that attacks follow are finite, and not zero.

    Seen: samples on which the gradient of the cross-entropy or of the margin with respect to the pixels is zero, NaN
        or infinite.
    Means: attacks have no direction there, and the model looks robust because of arithmetic. Cross-entropy
        underflows where the model is very sure (cleverhans #350: 45 % of images unchanged by FGSM); if the margin's
        gradient is zero too, something inside swallows it (auto-attack #43).
    Measured: both gradients at the correctly classified preflight samples.
    Threshold: any row that is zero (AutoAttack), or holds NaN or infinity, warns; such rows of the margin on more than
        5 % make it inconclusive (proposed), unless AUD221 finds ways around it under every threat. Attacks follow the
        finite part.
    Do: trust attacks with margin losses (`apgd:loss=dlr`) and black-box attacks more; give the model in float32,
        without its softmax.
    """

    code: ClassVar[str] = "AUD113"
    title: ClassVar[str] = "Gradients are zero"

    def inspect(self, scene: Scene) -> Iterator[Finding]:
        some = affordable(scene)
        # Where the answer itself is not finite, AUD117 has said so.
        some = some[(right(scene) & clean_logits(scene).isfinite().all(1))[some]]
        if not len(some) or _trouble(scene):
            return
        slopes = {"cross-entropy": _largest(scene, some, _cross_entropy), "margin": _largest(scene, some, margins)}
        n = len(some)
        bad = {name: int((~slope.isfinite()).sum()) for name, slope in slopes.items()}
        zero = {name: int((slope == 0.0).sum()) for name, slope in slopes.items()}
        if any(bad.values()):
            yield self._judged(n, bad, "NaN or infinite", _NOT_FINITE, title="Gradients are NaN or infinite")
        elif any(zero.values()):
            yield self._judged(n, zero, "exactly zero", _FLAT)

    def _judged(self, n: int, lost: dict[str, int], how: str, remedies: tuple[str, str], **title: str) -> Finding:
        """What it means that of `n` samples so many are lost to each loss."""
        blind = lost["margin"] > _FEW * n
        return self.finding(
            Severity.INCONCLUSIVE if blind else Severity.WARN,
            f"On correctly classified samples the gradient is {how} for {share(lost['cross-entropy'], n)} "
            f"with cross-entropy and for {share(lost['margin'], n)} with the margin.",
            remedies[not blind],
            evidence={f"{how} with {'the ' * (name == 'margin')}{name}": count for name, count in lost.items()}
            | {"samples": n},
            **title,
        )


def _cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    return functional.cross_entropy(logits, y, reduction="none")


def _largest(scene: Scene, some: Tensor, loss: Loss) -> Tensor:
    """The largest entry of each sample's gradient, `(n,)`; NaN or infinite where any entry is."""
    target = scene.target

    def slope(x: Tensor, y: Tensor) -> Tensor:
        x = x.to(target.device).requires_grad_()
        (gradient,) = torch.autograd.grad(loss(target.differentiable(x), y.to(target.device)).sum(), x)
        return gradient.abs().flatten(1).amax(1)

    return in_batches(slope, scene.x[some], scene.y[some])
