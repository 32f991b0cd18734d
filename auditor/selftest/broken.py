"""The cases that are broken on purpose, one failure each, and the findings that name it."""

from __future__ import annotations

from auditor.selftest.case import REFUSED, Case, ours

_PLAIN, _HARDENED = ours("networks", "plain"), ours("networks", "hardened")
_NO_GRADIENT = ("AUD112", "AUD113")
_MISLED = ("AUD201", "AUD202", "AUD204", "AUD211", "AUD213", "AUD214")
_RANDOM = ("AUD108", "AUD215", "AUD216")

_MASKED = (
    Case(
        name="zero-gradient",
        wrong="a layer whose gradient is zero",
        model=ours("masks", "zero_gradient"),
        codes=_NO_GRADIENT,
        opened=_PLAIN,
        quick=True,
    ),
    Case(
        name="reversed-gradient",
        wrong="a layer whose gradient has the wrong sign",
        model=ours("masks", "reversed_gradient"),
        codes=_MISLED,
        opened=_PLAIN,
    ),
    Case(
        name="mirrored-gradient",
        wrong="a layer that hands gradients to the wrong pixels",
        model=ours("masks", "mirrored_gradient"),
        codes=_MISLED,
        opened=_PLAIN,
    ),
    Case(
        name="noisy-gradient",
        wrong="gradients drowned in noise",
        model=ours("masks", "noisy_gradient"),
        codes=(*_MISLED, "AUD108"),
        opened=_PLAIN,
    ),
    Case(
        name="infinite-gradient",
        wrong="a square root at zero, whose slope is infinite",
        model=ours("masks", "infinite_gradient"),
        codes=("AUD113",),
        opened=_PLAIN,
    ),
    Case(
        name="cut-graph",
        wrong="the answer is detached from the input",
        model=ours("masks", "cut_graph"),
        codes=("AUD112",),
        opened=_PLAIN,
    ),
    Case(
        name="rounded-input",
        wrong="inputs rounded to sixteen levels",
        model=ours("masks", "rounded_input"),
        codes=_NO_GRADIENT,
        opened=ours("masks", "rounded_input_opened"),
        quick=True,
    ),
    Case(
        name="thermometer",
        wrong="inputs encoded as a thermometer",
        model=ours("masks", "thermometer"),
        codes=_NO_GRADIENT,
        opened=ours("masks", "thermometer_opened"),
    ),
    Case(
        name="sign-activation",
        wrong="a hidden layer made of signs",
        model=ours("masks", "sign_activation"),
        codes=_NO_GRADIENT,
        opened=ours("masks", "sign_activation_opened"),
    ),
    Case(
        name="saturated-softmax",
        wrong="probabilities that saturate at 0 and 1",
        model=ours("masks", "saturated_softmax"),
        codes=("AUD113",),
        opened=_PLAIN,
        quick=True,
    ),
    Case(
        name="float16-underflow",
        wrong="probabilities in float16, which underflow",
        model=ours("masks", "half_softmax"),
        codes=("AUD113",),
        opened=_PLAIN,
    ),
    Case(
        name="temperature",
        wrong="logits divided by 1e-3, attacked with cross-entropy",
        model=ours("masks", "temperature"),
        codes=("AUD113", "AUD212"),
        settings={"attack": ["pgd:steps=40"]},
        opened=_PLAIN,
    ),
    Case(
        name="distilled",
        wrong="logits as large as those of defensive distillation, attacked with cross-entropy",
        model=ours("masks", "distilled"),
        codes=("AUD113", "AUD212"),
        settings={"attack": ["apgd:loss=ce,steps=40"]},
        opened=_PLAIN,
    ),
    Case(
        name="clipped-logits",
        wrong="log-probabilities clipped where the model is sure",
        model=ours("masks", "clipped_logits"),
        codes=("AUD113",),
        opened=_PLAIN,
    ),
    Case(
        name="vote",
        wrong="three networks that vote",
        model=ours("masks", "vote"),
        codes=_NO_GRADIENT,
        opened=ours("masks", "vote_opened"),
    ),
    Case(
        name="shattered",
        wrong="an invisible ripple that makes gradients point anywhere",
        model=ours("masks", "shattered"),
        codes=_MISLED,
        opened=_PLAIN,
        quick=True,
    ),
    Case(
        name="jpeg",
        wrong="JPEG compression in front",
        model=ours("masks", "jpeg"),
        codes=_NO_GRADIENT,
        opened=ours("masks", "jpeg_opened"),
    ),
    Case(
        name="plateaus",
        wrong="max-pooling over steps",
        model=ours("masks", "plateaus"),
        codes=_NO_GRADIENT,
        eps=(0.3,),
        opened=ours("masks", "plateaus_opened"),
    ),
    Case(
        name="k-winners",
        wrong="k-winners-take-all",
        model=ours("masks", "winners"),
        codes=_MISLED,
        eps=(0.3,),
    ),
    Case(
        name="labels-only",
        wrong="a one for the class and zeros for the others",
        model=ours("tricks", "labels_only"),
        codes=_NO_GRADIENT,
        opened=_PLAIN,
    ),
)

_CHANCE = (
    Case(
        name="noisy-input",
        wrong="noise on every pixel",
        model=ours("chance", "noisy_input"),
        codes=_RANDOM,
        quick=True,
    ),
    Case(
        name="resize-and-pad",
        wrong="a random size and place",
        model=ours("chance", "resize_and_pad"),
        codes=_RANDOM,
    ),
    Case(
        name="pruned-activations",
        wrong="stochastic activation pruning",
        model=ours("chance", "pruned"),
        codes=_RANDOM,
    ),
    Case(
        name="live-dropout",
        wrong="dropout that nobody switches off",
        model=ours("chance", "live_dropout"),
        codes=(*_RANDOM, "AUD106"),
    ),
    Case(
        name="flickering-kernel",
        wrong="a kernel that does not answer twice alike",
        model=ours("chance", "flickering"),
        codes=_RANDOM,
    ),
    Case(
        name="either-network",
        wrong="one of two networks, by chance",
        model=ours("chance", "either"),
        codes=_RANDOM,
    ),
)

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

_TRICKS = (
    Case(
        name="refuses-off-grid",
        wrong="a model that recognises what no camera takes, and refuses to move",
        model=ours("tricks", "refuses_off_grid"),
        codes=("AUD203", "AUD206", "AUD213", "AUD303"),
        opened=_PLAIN,
    ),
    Case(
        name="refuses-noise",
        wrong="a model that recognises strong noise, and refuses to move",
        model=ours("tricks", "refuses_noise"),
        codes=("AUD203", "AUD205", "AUD206", "AUD213"),
        eps=(0.05, 0.1, 0.2),
        opened=ours("tricks", "refuses_noise_opened"),
    ),
    Case(
        name="fractions-only",
        wrong="a model that fails on fractions of gray levels alone",
        model=ours("tricks", "fractions_only"),
        codes=("AUD303",),
    ),
    Case(
        name="abstains",
        wrong="a detector in front: what it suspects gets no class",
        model=ours("tricks", "abstains"),
        codes=("AUD220",),
    ),
    Case(
        name="remembers",
        wrong="a model that knows questions again, and answers as before",
        model=ours("tricks", "remembers"),
        codes=("AUD113", "AUD203", "AUD206", "AUD213"),
        opened=_PLAIN,
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

BROKEN: tuple[Case, ...] = (*_MASKED, *_CHANCE, *_WIRING, *_DATA, *_TRICKS, *_ATTACKS)
