"""Is the budget one that somebody can have meant?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from auditor.check import Finding, Severity
from auditor.types import Norm
from auditor_checks._base import TrustCheck

if TYPE_CHECKING:
    from auditor.engine.scene import Scene
    from auditor.settings import ThreatSetting

_LEVELS = 255.0
_NEAR = 0.1


class Budget(TrustCheck):
    """The budgets are ones that somebody can have meant.

    Seen: a budget so large that it allows any picture, so small that 8-bit images cannot show it, or beside a
        multiple of 1/255.
    Means: `--eps 8` where 8/255 was meant breaks every model; 0.031 where 8/255 was meant costs more than a
        percentage point of comparability (auto-attack #54).
    Measured: each budget against half the way between the two most distant samples in its norm, and against 1/255.
    Threshold: above 1/2 in linf, half the square root of the number of values in l2, half the number of values in l1
        and l0, half of the picture for a patch, half of its shorter side for a flow; below 1/255, or within 0.1/255 of
        a multiple of it, for information (proposed).
    Do: write budgets as fractions of 255.
    """

    code: ClassVar[str] = "AUD115"
    title: ClassVar[str] = "The budget allows any picture"

    def inspect(self, scene: Scene) -> Iterator[Finding]:
        values = math.prod(scene.x.shape[1:])
        for threat in scene.settings.threats:
            if math.isinf(threat.eps):  # The smallest change is looked for: nothing is allowed beforehand.
                continue
            half = _half_way(threat.norm, values, scene.x.shape)
            if half is not None and threat.eps > half:
                yield self._too_large(threat, half)
            elif scene.samples.eight_bit:
                yield from self._off_the_grid(threat)

    def _too_large(self, threat: ThreatSetting, half: float) -> Finding:
        meant = threat.norm is Norm.LINF and threat.eps >= 1.0 and threat.eps == round(threat.eps) <= _LEVELS
        return self.finding(
            Severity.BLOCK,
            f"A change of {threat.eps:g} in {threat.norm} is more than {half:g}, half the way from black to white.",
            f"Did you mean --eps {threat.eps:g}/255?" if meant else "Budgets are in units of pixels from 0 to 1.",
        )

    def _off_the_grid(self, threat: ThreatSetting) -> Iterator[Finding]:
        levels = threat.eps * _LEVELS
        if threat.norm in (Norm.LINF, Norm.L2) and levels < 1.0 - _NEAR:
            yield self.finding(
                Severity.INFO,
                f"{threat.eps:g} in {threat.norm} is {levels:.2g}/255, less than one step of an 8-bit image.",
                "Examples of this size do not survive being saved as an image; the report shows both accuracies.",
                title="The budget is smaller than one step of an 8-bit image",
            )
        elif threat.norm is Norm.LINF and 1e-3 < abs(levels - round(levels)) < _NEAR:
            yield self.finding(
                Severity.INFO,
                f"{threat.eps:g} in linf is {levels:.4g}/255; others report {round(levels)}/255.",
                f"Did you mean --eps {round(levels)}/255?",
                title="The budget is beside a multiple of 1/255",
            )


def _half_way(norm: Norm, values: int, shape: Sequence[int]) -> float | None:
    match norm:
        case Norm.LINF:
            return 0.5
        case Norm.L2:
            return 0.5 * math.sqrt(values)
        case Norm.L1 | Norm.L0:
            return 0.5 * values
        case Norm.PATCH:
            return 0.5
        case Norm.FLOW:
            return 0.5 * min(shape[-2:])
    return None
