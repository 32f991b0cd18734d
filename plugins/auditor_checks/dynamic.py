"""Does the model optimise while it answers?"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from auditor.check import Finding, Severity
from auditor_checks._base import TrustCheck

if TYPE_CHECKING:
    from auditor.engine.scene import Scene

_DIFFERENTIATING = {
    torch.autograd.grad.__code__: "torch.autograd.grad",
    torch.autograd.backward.__code__: "backward",
}


class DynamicModel(TrustCheck):
    """The model answers without differentiating or optimising anything.

    Seen: `torch.autograd` or an optimiser at work inside an answer.
    Means: the model adapts to its input (purification, test-time training). Gradients through one answer do not say
        what the next one will be, so attacks made for static models overrate it (Croce et al., arXiv:2202.13711).
    Measured: the Python calls during one answer to two samples. Compiled models, and runs under a
        profiler, cannot be watched so.
    Threshold: any (AutoAttack's own check).
    Do: audit the model without its adaptive part as well; judge the whole with attacks made for it.
    """

    code: ClassVar[str] = "AUD111"
    title: ClassVar[str] = "The model optimises while it answers"

    def inspect(self, scene: Scene) -> Iterator[Finding]:
        calls = _watched(scene)
        if calls:
            yield self.finding(
                Severity.INCONCLUSIVE,
                f"During one answer it called {', '.join(sorted(calls))}.",
                "Audit the model without its adaptive part too; this audit's attacks assume a static one.",
            )


def _watched(scene: Scene) -> set[str]:
    calls: set[str] = set()

    def look(frame: FrameType, event: str, argument: Any) -> None:
        if event != "call":
            return
        code = frame.f_code
        if code in _DIFFERENTIATING:
            calls.add(_DIFFERENTIATING[code])
        elif code.co_name == "step" and isinstance(frame.f_locals.get("self"), torch.optim.Optimizer):
            calls.add(f"{type(frame.f_locals['self']).__name__}.step")

    if sys.getprofile() is not None:
        return calls  # A profiler is at work, and there is room for one.
    sys.setprofile(look)
    try:
        scene.target.answer(scene.x[:2])
    finally:
        sys.setprofile(None)
    return calls
