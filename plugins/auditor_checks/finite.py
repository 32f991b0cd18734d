"""Does the model answer with numbers?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from auditor.check import Finding, Severity
from auditor.target.answers import NOT_FINITE, not_finite
from auditor.target.notices import FINITE
from auditor_checks._answers import clean_logits
from auditor_checks._base import TrustCheck, share

if TYPE_CHECKING:
    from auditor.engine.scene import Scene


class FiniteAnswers(TrustCheck):
    """The model's answers on clean samples are finite numbers.

    Seen: answers that are NaN or infinite.
    Means: no comparison of such an answer says anything, so neither accuracy nor robustness exists. The usual
        causes are inputs in the wrong units, half precision that overflows, and a division by zero.
    Measured: the logits of the preflight samples. Minus infinity alone is a class that the model rules out.
    Threshold: any NaN or plus infinity, or a row of minus infinities alone (proposed).
    Do: run the model on one sample by hand; check `--input-range`, and the precision it was exported in.
    """

    code: ClassVar[str] = FINITE
    title: ClassVar[str] = NOT_FINITE

    def inspect(self, scene: Scene) -> Iterator[Finding]:
        logits = clean_logits(scene)
        if (found := not_finite(logits)) is not None:
            yield found
            return
        ruled_out = (logits == -float("inf")).any(1)
        if ruled_out.any():
            yield self.finding(
                Severity.WARN,
                f"On {share(int(ruled_out.sum()), len(logits))} clean samples some class is minus infinity, so "
                "losses that take differences of logits are not finite there.",
                "Let the model mask classes with a large negative number instead.",
                title="The model rules classes out with minus infinity",
            )
