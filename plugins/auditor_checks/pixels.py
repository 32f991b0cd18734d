"""Are the samples what every later number takes them for: finite pixels from 0 to 1?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from auditor.check import Finding, Severity
from auditor_checks._base import TrustCheck, share

if TYPE_CHECKING:
    from auditor.engine.scene import Scene

_TOLERANCE = 1e-4
# Rounding and interpolation overshoot a little; beyond these the pixels are in other units altogether.
_OTHER_UNITS_ABOVE, _OTHER_UNITS_BELOW = 1.5, -0.25
_TWICE_DIVIDED = 2.0 / 255.0


class PixelRange(TrustCheck):
    """Every pixel is a finite number from 0 to 1.

    Seen: pixels that are NaN or infinite, or that lie a little outside [0, 1].
    Means: attacks clip to [0, 1]; clipping such a sample undoes the attack's work, and the model looks robust
        (foolbox #602). NaN pixels make every comparison false.
    Measured: the smallest and the largest pixel of the preflight samples, and how many samples are not finite.
    Threshold: 1e-4 outside the range, so that rounding passes (torchattacks #136); any NaN or infinity. Both proposed.
    Do: clip the stored images to [0, 1], or store them as 8-bit images; leave damaged ones out.
    """

    code: ClassVar[str] = "AUD101"
    title: ClassVar[str] = "Pixels lie outside 0 to 1"

    def inspect(self, scene: Scene) -> Iterator[Finding]:
        x = scene.x.flatten(1)
        bad = ~x.isfinite().all(1)
        if bad.any():
            yield self.finding(
                Severity.BLOCK,
                f"{share(int(bad.sum()), len(x))} samples hold NaN or infinite pixels, the first at position "
                f"{int(bad.nonzero()[0])} of the samples looked at.",
                "Find out where they come from (often a division by a standard deviation of 0), or leave them out.",
                title="Pixels are NaN or infinite",
                evidence={"samples with such pixels": int(bad.sum()), "samples": len(x)},
            )
            return
        low, high = float(x.min()), float(x.max())
        slightly = low >= _OTHER_UNITS_BELOW and high <= _OTHER_UNITS_ABOVE
        if slightly and (low < -_TOLERANCE or high > 1.0 + _TOLERANCE):
            yield self.finding(
                Severity.BLOCK,
                f"The pixels range from {low:.6g} to {high:.6g}; attacks work in [0, 1] and clip to it.",
                "Clip the stored images to [0, 1], or save them as 8-bit images.",
                evidence={"smallest pixel": low, "largest pixel": high},
            )


class PixelScale(TrustCheck):
    """The samples are pixels in units of [0, 1], not in those of a model or of a file.

    Seen: pixels up to 255, pixels already normalised (clearly negative), or pixels divided by 255 twice.
    Means: a budget of 8/255 is no longer 8 of 255 grey levels, and clipping to [0, 1] destroys the pictures:
        the commonest mistake of all (torchattacks #78, auto-attack #13, foolbox #153).
    Measured: the smallest and the largest pixel of the preflight samples.
    Threshold: above 1.5, below -0.25, or everything at most 2/255 (proposed).
    Do: store the images as they are, 0 to 1 or 8-bit, and let `--input-range`, `--mean` and `--std` say what the
        network wants of them.
    """

    code: ClassVar[str] = "AUD102"
    title: ClassVar[str] = "Samples are not in units of 0 to 1"

    def inspect(self, scene: Scene) -> Iterator[Finding]:
        if not scene.x.isfinite().all():
            return
        low, high = float(scene.x.min()), float(scene.x.max())
        if low < _OTHER_UNITS_BELOW:
            yield self.finding(
                Severity.BLOCK,
                f"The pixels range from {low:.4g} to {high:.4g}, as they do after a mean was subtracted.",
                "Store the images before normalisation, and say what the pipeline subtracts and divides by: "
                "--mean M,M,M --std S,S,S.",
                title="Samples look normalised already",
                evidence={"smallest pixel": low, "largest pixel": high},
            )
        elif high > _OTHER_UNITS_ABOVE:
            yield self.finding(
                Severity.BLOCK,
                f"The pixels range from {low:.4g} to {high:.4g}, as they do before a division by 255.",
                "Divide the stored images by 255, or save them as 8-bit integers; if the network wants 0 to 255, "
                "add --input-range 0,255.",
                title="Samples look like 0 to 255",
                evidence={"smallest pixel": low, "largest pixel": high},
            )
        elif low < high <= _TWICE_DIVIDED:
            yield self.finding(
                Severity.BLOCK,
                f"No pixel is brighter than {high:.6g}, which is {255.0 * high:.3g}/255.",
                "Divide the images by 255 once only.",
                title="Samples look divided by 255 twice",
                evidence={"smallest pixel": low, "largest pixel": high},
            )
