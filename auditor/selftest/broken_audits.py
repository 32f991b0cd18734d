"""Sound models that are wired, fed or attacked wrongly, and the findings that name it."""

from __future__ import annotations

from auditor.selftest.case import REFUSED, Case, ours

_PLAIN = ours("networks", "plain")

_WIRING = (
    Case(
        name="wrong-normalisation",
        wrong="mean and std not given",
        model=ours("wiring", "wants_normalised"),
        codes=("AUD104",),
        quick=True,
    ),
    Case(
        name="range-255",
        wrong="0 to 1 where 0 to 255 is wanted",
        model=ours("wiring", "wants_255"),
        codes=("AUD104", "AUD103"),
    ),
    Case(
        name="inverted",
        wrong="white on black where black on white is wanted",
        model=ours("wiring", "wants_inverted"),
        codes=("AUD104",),
    ),
    Case(
        name="bgr",
        wrong="RGB where BGR is wanted",
        model=ours("wiring", "wants_bgr"),
        data="red",
        codes=("AUD104",),
        quick=True,
    ),
    Case(
        name="training-mode",
        wrong="batch normalisation in training mode",
        model=ours("wiring", "training_mode"),
        codes=("AUD106", "AUD107"),
        quick=True,
    ),
    Case(
        name="batch-dependent",
        wrong="answers that depend on the batch",
        model=ours("wiring", "batch_dependent"),
        codes=("AUD107",),
    ),
    Case(
        name="nan-answers",
        wrong="NaN for some clean samples",
        model=ours("wiring", "unanswered"),
        codes=("AUD117",),
    ),
    Case(
        name="nan-nearby",
        wrong="NaN inside the budget",
        model=ours("wiring", "overflowing"),
        codes=("AUD004", "AUD113"),
    ),
    Case(
        name="purified",
        wrong="a model that optimises while it answers",
        model=ours("wiring", "purified"),
        codes=("AUD111",),
    ),
)

_DATA = (
    Case(
        name="shifted-labels", wrong="labels one too high", model=_PLAIN, data="shifted", codes=("AUD105",), quick=True
    ),
    Case(name="renumbered-labels", wrong="labels in another order", model=_PLAIN, data="renumbered", codes=("AUD105",)),
    Case(
        name="labels-from-one", wrong="labels from 1 to 10", model=_PLAIN, data="from-one", codes=("AUD110", "AUD105")
    ),
    Case(
        name="own-labels",
        wrong="labels that the model itself gave",
        model=_PLAIN,
        data="own-labels",
        codes=("AUD103",),
        settings={"expected_clean_accuracy": "0.964"},
    ),
    Case(
        name="divided-twice", wrong="pixels divided by 255 twice", model=_PLAIN, data="divided-twice", codes=("AUD102",)
    ),
    Case(
        name="normalised-data",
        wrong="samples already normalised",
        model=_PLAIN,
        data="normalised",
        codes=("AUD102", REFUSED),
    ),
    Case(
        name="overexposed", wrong="pixels a little above 1", model=_PLAIN, data="overexposed", codes=("AUD101", REFUSED)
    ),
    Case(name="duplicates", wrong="every sample twice", model=_PLAIN, data="repeated", codes=("AUD116",)),
    Case(name="one-class", wrong="samples of a single class", model=_PLAIN, data="one-class", codes=("AUD116",)),
    Case(name="blank-pictures", wrong="a quarter of the pictures black", model=_PLAIN, data="blank", codes=("AUD116",)),
    Case(
        name="budget-of-eight",
        wrong="--eps 8 where 8/255 was meant",
        model=_PLAIN,
        codes=("AUD115", REFUSED),
        eps=(8.0,),
    ),
)


def _attacked(name: str, wrong: str, codes: tuple[str, ...], *attacks: str, quick: bool = False) -> Case:
    """A sound model whose attacks are the trouble."""
    return Case(
        name=name,
        wrong=wrong,
        model=_PLAIN,
        codes=codes,
        settings={"attack": list(attacks)},
        opened=_PLAIN,
        quick=quick,
    )


_WEAK = ("AUD203", "AUD204", "AUD206", "AUD214", "AUD219")
_ATTACKS = (
    _attacked("idle-attack", "an attack that returns clean inputs", _WEAK, "selftest-idle", quick=True),
    _attacked("overshooting-attack", "an attack that overshoots the budget", _WEAK, "selftest-overshooting"),
    _attacked("nan-attack", "an attack that returns NaN", ("AUD305", "AUD003", "AUD004"), "selftest-nan"),
    _attacked("crashing-attack", "an attack that crashes", ("AUD305", "AUD003"), "selftest-crashing"),
    _attacked("forgetful-attack", "an attack that throws away what it met", ("AUD210",), "selftest-forgetful"),
    _attacked("two-steps", "an attack of two steps", ("AUD207", "AUD208"), "apgd:steps=2"),
    _attacked(
        "short-steps", "steps too short to cross the budget", ("AUD207", "AUD208"), "pgd:steps=20,step_size=0.01"
    ),
    _attacked("few-queries", "thirty queries of a black-box attack", ("AUD207", "AUD208"), "square:queries=30"),
    _attacked("noise-alone", "noise as the only attack", _WEAK, "noise:draws=10"),
    _attacked(
        "one-family", "four attacks that find the same", ("AUD217",), *[f"pgd:steps={n}" for n in (40, 41, 42, 43)]
    ),
    _attacked("single-step", "one step as the only attack", ("AUD201", "AUD207", "AUD208", "AUD218"), "fgsm"),
)

AUDITS: tuple[Case, ...] = (*_WIRING, *_DATA, *_ATTACKS)
