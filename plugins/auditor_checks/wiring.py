"""Would another preprocessing make the model clearly more accurate?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from auditor.check import Finding, Severity
from auditor.errors import ModelError
from auditor.result.statistics import mcnemar
from auditor_checks._answers import (
    as_expected,
    clean_logits,
    correct,
    guessing,
    in_batches,
    once,
    or_confirm,
    right,
    spread,
)
from auditor_checks._base import TrustCheck, chance, percent
from auditor_checks._relabel import best_relabelling
from auditor_checks._variants import Variant, geometries, scalings

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.scene import Scene
    from auditor.settings import Settings

_GAIN = 0.05
_SCREENED, _FINALISTS = 64, 3
# About 20 variants are tried, so that a hundredth is shared among as many.
_SURE, _LIKELY = 0.001, 0.05


@dataclass(frozen=True)
class Better:
    """The best other preprocessing, accuracy before and after on the same samples, and how likely that is chance."""

    variant: Variant
    before: float
    after: float
    p: float


class ModelWiring(TrustCheck):
    """No other common preprocessing makes the model clearly more accurate.

    Seen: with another scale, mean and std, channel order, layout or inverted pixels, the model is far better.
    Means: the network gets its pixels in another form than it was trained on: what users get wrong most
        (torchattacks #78, foolbox #153, auto-attack #13). Robustness measured so is that of a crippled model.
    Measured: accuracy with each common preprocessing and combination (0 to 1, 0 to 255, -1 to 1, the means of
        ImageNet, CIFAR-10, MNIST and Fashion-MNIST, Caffe's; RGB and BGR; inverted, transposed, NHWC): some 20,
        screened on 64 samples, the best three confirmed on all preflight samples. Skipped above 95 % accuracy.
    Threshold: more than 5 percentage points (proposed), with p < 0.001 in the paired exact test of McNemar; a
        warning for p < 0.05, and where `--expected-clean-accuracy` says that the accuracy is as it should be.
    Do: add the flags that the finding names.
    """

    code: ClassVar[str] = "AUD104"
    title: ClassVar[str] = "Another preprocessing makes the model far more accurate"

    def inspect(self, scene: Scene) -> Iterator[Finding]:
        found = best_variant(scene)
        if found is None:
            return
        relabelled = best_relabelling(scene)
        if relabelled is not None and relabelled.after > found.after:
            return
        own = _said_by_user(scene.settings)
        sure = found.p < _SURE and not as_expected(scene)
        yield self.finding(
            Severity.BLOCK if sure else Severity.WARN,
            f"As wired now ({scene.target.preprocessing.describe()}) the model classifies {percent(found.before)} of "
            f"{len(scene.y)} preflight samples correctly; with {found.variant.words} it is {percent(found.after)} "
            f"(paired exact test: {chance(found.p)})." + (f" You set {own} yourself." if own else ""),
            found.variant.remedy + or_confirm(scene),
            evidence={"accuracy as wired": found.before, "accuracy rewired": found.after, "p": found.p},
        )


@once
def best_variant(scene: Scene) -> Better | None:
    """The preprocessing with the highest accuracy, if it is better by more than chance and than guessing."""
    before = right(scene)
    accuracy = float(before.float().mean())
    if scene.x.dim() != 4 or accuracy >= 1.0 - _GAIN:
        return None
    some = spread(len(before), _SCREENED)
    least = float(before[some].float().mean())
    current = scene.target.preprocessing
    scaled = _screened(list(scalings(current, scene.x)), scene, some)
    turned = list(geometries(current, None, scene.x))
    if scaled:
        turned += geometries(current, scaled[0][1], scene.x)
    ranking = sorted(scaled + _screened(turned, scene, some), key=lambda pair: -pair[0])
    finalists = [variant for share, variant in ranking[:_FINALISTS] if share > least]
    results = [(_right(variant, scene), variant) for variant in finalists]
    if not results:
        return None
    after, variant = max(results, key=lambda pair: int(pair[0].sum()))
    better = Better(variant, accuracy, float(after.float().mean()), _chance(before, after))
    clear = better.after > max(accuracy + _GAIN, guessing(clean_logits(scene).shape[1]))
    return better if clear and better.p < _LIKELY else None


def _screened(variants: list[Variant], scene: Scene, some: Tensor) -> list[tuple[float, Variant]]:
    """Accuracy of each on some samples, best first; those that the network refuses are left out."""
    part = replace(scene, x=scene.x[some], y=scene.y[some])
    ranking = []
    for variant in variants:
        try:
            ranking.append((float(_right(variant, part).float().mean()), variant))
        except ModelError:
            continue
    return sorted(ranking, key=lambda pair: -pair[0])


def _right(variant: Variant, scene: Scene) -> Tensor:
    target = replace(scene.target, preprocessing=variant.preprocessing)
    return correct(in_batches(target.answer, variant.pixels(scene.x)), scene)


def _chance(before: Tensor, after: Tensor) -> float:
    return mcnemar(int((before & ~after).sum()), int((after & ~before).sum()))


def _said_by_user(settings: Settings) -> str:
    said = {
        "--mean": settings.mean is not None,
        "--std": settings.std is not None,
        "--input-range": settings.input_range is not None,
        "--layout": settings.layout != "auto",
        "--channel-order": settings.channel_order != "rgb",
    }
    return ", ".join(flag for flag, given in said.items() if given)
