"""Does the model refuse to answer instead of answering wrongly?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from auditor.check import Finding, Severity, plot
from auditor.errors import UsageError
from auditor.types import Norm
from auditor_checks._base import percent, share
from auditor_checks._inquiry import InquiryCheck
from auditor_checks._ways import asking_scores, following_gradients
from auditor_checks.transfer import Transfer, key_of

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.inquiry import Inquiry
    from auditor.engine.scene import Scene

_SLIM = 0.01
_NOISE, _MANY = 16, 0.25
_CLASSES, _STEPS = 9, 50
_RATES = tuple(step / 20.0 for step in range(20))


class Abstention(InquiryCheck):
    """Every class is one that samples have; none is a refusal to answer.

    Seen: a class that no sample has, and that attacks or noise get; or the one named by `--abstain`.
    Means: the model has a reject option. A single number misleads: robust accuracy counts refusals as failures, and if
        they counted as right, attacks would have had to avoid them, which those of the plan did not (Tramer et al.,
        arXiv:2002.08347; Carlini et al., arXiv:1902.06705).
    Measured: how many samples fell to a refusal. These, and what stands, are attacked again towards one real
        class after the other, the likeliest first, so that an answer counts only if it is neither the label nor
        a refusal: 50 steps along gradients, or queries. What stood and falls is counted; which of the refused
        get a wrong class after all is said; what is refused as it is was not attacked, and is right at most.
        Then robust accuracy over what is answered where the least sure answers are refused too, at every rate
        of refusal, refusals first: the worst answer known of each sample counts, with its confidence. `auc` is
        the chance that a clean answer is surer than one to an example.
    Threshold: without `--abstain`, a class is taken for a refusal if it is the only one that no sample has, a class as
        frequent as the others would be missing with a chance of less than 1 %, and a sample fell to it or a quarter of
        16 pictures of noise get it (proposed). Where anything is refused it is warned of.
    Do: judge the model by both numbers and the curve, at the rate of refusals that you can afford.
    """

    code: ClassVar[str] = "AUD220"
    title: ClassVar[str] = "The model may refuse to answer"
    once: ClassVar[bool] = True

    def ask(self, scene: Scene, inquiry: Inquiry) -> Iterator[Finding]:
        named = scene.settings.abstain is not None
        refusal = _named(scene) if named else _missing(inquiry)
        if refusal is None:
            return
        noise = _noise_refused(inquiry, refusal)
        refused = _refused(inquiry, refusal)
        inquiry.show(**{"pictures of noise": _NOISE, "of them refused": noise}, refused=len(refused))
        if not named and not len(refused) and noise < _NOISE * _MANY:
            return
        absent = "" if (inquiry.found.clean.labels == refusal).any() else ", which no sample has"
        told = f"{share(len(refused), inquiry.total)} samples fell to class {refusal}{absent}; "
        told += f"{share(noise, _NOISE)} pictures of noise get it."
        fooled = self._avoiding(inquiry, refusal, refused, told) if len(refused) or noise else {}
        if inquiry.evidence.get("attacked towards real classes"):
            told = f"{told} Attacks that avoid it found a real class for {len(fooled)} of them."
        stand, left, silent = _shown(inquiry, refusal, fooled)
        untried = f", of which {percent(silent)} are refused as they are, and were not attacked" if silent else ""
        yield self.finding(
            Severity.WARN if len(refused) or noise else Severity.INFO,
            f"{told} Robust accuracy is {percent(stand)} where refusals count as failures, and at most "
            f"{percent(stand + left + silent)} where they count as right{untried}.",
            "Judge it by both numbers, and by the curve of accuracy over refusals.",
        )

    def _avoiding(self, inquiry: Inquiry, refusal: int, refused: np.ndarray, told: str) -> dict[int, float]:
        """Of the refused samples those that some attack turned into a real class, each with the model's confidence."""
        if not inquiry.escalation or inquiry.found.clean.wanted is not None:
            return {}  # Under a targeted goal no refusal is a success.
        inquiry.doubt(told)
        fooled: dict[int, float] = {}
        for on, wanted in _towards(inquiry, refusal, refused):
            todo = np.array(
                [i not in fooled and (i in refused or not inquiry.found.fell(i)) for i in on.tolist()], bool
            )
            if not todo.any():
                continue
            on, classes = on[todo], wanted[todo]
            attack, parameters = _aimed(inquiry)
            trial = inquiry.trial(attack, on, wanted=torch.from_numpy(classes), keep=True, **parameters)
            if not trial.ended or trial.images is None:
                break
            inquiry.show(**{"attacked towards real classes": len(refused)})
            fell, images = on[trial.fell], trial.images[torch.from_numpy(trial.fell)]
            for index, sure in zip(fell.tolist(), _sure(inquiry, images), strict=True):
                if index in refused:
                    fooled[index] = sure
            self._count(inquiry, fell, images)
        return fooled

    def _count(self, inquiry: Inquiry, fell: np.ndarray, images: Tensor) -> None:
        """Hand in what was found of samples that stood."""
        stood = np.isin(fell, inquiry.standing)
        if stood.any():
            pixels, _ = inquiry.fetch(fell[stood])
            known = {key_of(x): image for x, image in zip(pixels, images[torch.from_numpy(stood)], strict=True)}
            inquiry.attack(Transfer(source="a search that avoids refusals", known=known), fell[stood])


def _named(scene: Scene) -> int:
    """The class that the settings call a refusal."""
    name, classes = str(scene.settings.abstain), scene.target.classes or scene.samples.classes or ()
    if name in classes:
        return list(classes).index(name)
    if name.isdecimal() and int(name) < scene.target.num_classes:
        return int(name)
    raise UsageError(f"--abstain names {name!r}, and the model has no such class (0 to {scene.target.num_classes - 1})")


def _missing(inquiry: Inquiry) -> int | None:
    """The class that no sample has, if it is the only one, and not by chance; else None."""
    classes = inquiry.target.num_classes
    counts = np.bincount(inquiry.found.clean.labels, minlength=classes)
    (missing,) = np.nonzero(counts == 0)
    # If it were a class like the others, that all samples have another would be so likely.
    chance = (1.0 - 1.0 / classes) ** int(counts.sum())
    return int(missing[0]) if classes > 2 and len(missing) == 1 and chance < _SLIM else None


def _noise_refused(inquiry: Inquiry, refusal: int) -> int:
    """How many pictures of noise are refused."""
    noise = torch.rand(_NOISE, *inquiry.batches.samples.shape, generator=torch.Generator().manual_seed(0))
    inquiry.spend(_NOISE)
    return int((inquiry.target.answer(noise.to(inquiry.target.device)).argmax(1) == refusal).sum())


def _refused(inquiry: Inquiry, refusal: int) -> np.ndarray:
    """Positions of the samples that fell to a refusal, ascending."""
    fell = inquiry.found.broken_by.items()
    return np.array(sorted(i for i, (_, found) in fell if found.prediction == refusal), dtype=np.int64)


def _towards(inquiry: Inquiry, refusal: int, refused: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The refused and the standing samples, each time with a real class of each that is not its label, the likeliest
    first."""
    on = np.union1d(refused, inquiry.standing)
    if not len(on):
        return
    x, y = inquiry.fetch(on)
    inquiry.spend(len(on))
    scores = torch.cat([inquiry.target.answer(part) for part in torch.split(x, inquiry.batches.batch_size)])
    scores = scores.scatter(1, y[:, None], -torch.inf)
    scores[:, refusal] = -torch.inf
    order = scores.argsort(1, descending=True)[:, : min(_CLASSES, scores.shape[1] - 2)].cpu().numpy()
    for rank in range(order.shape[1]):
        yield on, order[:, rank]


def _aimed(inquiry: Inquiry) -> tuple[str, dict[str, Any]]:
    """The attack that looks for a class, and its parameters."""
    norm = inquiry.threat.norm
    if inquiry.target.twin is not None and norm in (Norm.LINF, Norm.L2, Norm.L1):
        return "apgd", {"loss": "margin", "steps": _STEPS}
    way = following_gradients(norm)[0] if inquiry.target.twin is not None else asking_scores(norm)
    return way.attack, dict(way.parameters)


def _sure(inquiry: Inquiry, images: Tensor) -> list[float]:
    """How sure the model is of its answers to these images."""
    inquiry.spend(len(images))
    if not len(images):
        return []
    sure: list[float] = inquiry.target.answer(images.to(inquiry.target.device)).softmax(1).amax(1).tolist()
    return sure


def _shown(inquiry: Inquiry, refusal: int, fooled: Mapping[int, float]) -> tuple[float, float, float]:
    """Keep the curve and what it is made of; the share of samples that stand, of those that attacks got refused and
    no more, and of those that are refused as they are."""
    clean, audited = inquiry.found.clean, inquiry.found.audited
    fallen = {i: found for i, (_, found) in inquiry.found.broken_by.items()}
    sure, right = clean.confidence.copy(), clean.correct.copy()
    for i, found in fallen.items():
        sure[i], right[i] = found.confidence, False
    refused = _refused(inquiry, refusal)
    unasked = (clean.prediction == refusal) & ~clean.correct
    silent = clean.prediction == refusal
    silent[refused] = True
    for i, confidence in fooled.items():
        sure[i], silent[i] = confidence, False
    sure[silent] = -1.0
    inquiry.show(
        refused_as_they_are=int((clean.prediction == refusal).sum()),
        auc=_auc(clean.confidence[clean.correct & ~silent], np.array([sure[i] for i in fallen])),
        plot=plot(
            _RATES, _over_refusals(sure[audited], right[audited]), "share refused", "robust accuracy of the rest"
        ),
        **{"refused, and given a real class by attacks that avoid it": len(fooled)},
    )
    return float(right[audited].mean()), (len(refused) - len(fooled)) / len(audited), float(unasked[audited].mean())


def _over_refusals(sure: np.ndarray, right: np.ndarray) -> list[float]:
    """The share that is right of what is left, once the least sure were refused, at each rate."""
    ordered = right[np.argsort(sure, kind="stable")]
    return [float(ordered[int(rate * len(ordered)) :].mean()) for rate in _RATES]


def _auc(clean: np.ndarray, attacked: np.ndarray) -> float | None:
    """The chance that a clean answer is surer than one to an example; None where there are none to compare."""
    if not len(clean) or not len(attacked):
        return None
    ordered = np.sort(clean)
    above = len(clean) - np.searchsorted(ordered, attacked, side="right")
    level = np.searchsorted(ordered, attacked, side="right") - np.searchsorted(ordered, attacked, side="left")
    return round(float((above + 0.5 * level).mean() / len(clean)), 4)
