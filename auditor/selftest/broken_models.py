"""Models that look more robust than they are, or answer at random, and the findings that name it."""

from __future__ import annotations

from auditor.selftest.case import Case, ours

_PLAIN = ours("networks", "plain")
_NO_GRADIENT = ("AUD112", "AUD113")
_MISLED = ("AUD201", "AUD202", "AUD204", "AUD211", "AUD213", "AUD214")
_RANDOM = ("AUD108", "AUD215", "AUD216")
_SHORT = {"suite": "quick", "samples": "40"}
"""Models that answer at random are asked twenty times wherever others are asked once."""

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
        settings=_SHORT,
        quick=True,
    ),
    Case(
        name="resize-and-pad",
        wrong="a random size and place",
        model=ours("chance", "resize_and_pad"),
        codes=_RANDOM,
        settings=_SHORT,
    ),
    Case(
        name="pruned-activations",
        wrong="stochastic activation pruning",
        model=ours("chance", "pruned"),
        codes=_RANDOM,
        settings=_SHORT,
    ),
    Case(
        name="live-dropout",
        wrong="dropout that nobody switches off",
        model=ours("chance", "live_dropout"),
        codes=(*_RANDOM, "AUD106"),
        settings=_SHORT,
    ),
    Case(
        name="flickering-kernel",
        wrong="a kernel that does not answer twice alike",
        model=ours("chance", "flickering"),
        codes=_RANDOM,
        settings=_SHORT,
    ),
    Case(
        name="either-network",
        wrong="one of two networks, by chance",
        model=ours("chance", "either"),
        codes=_RANDOM,
        settings=_SHORT,
    ),
)

_TRICKS = (
    Case(
        name="refuses-off-grid",
        wrong="a model that recognises what no camera takes, and refuses to move",
        model=ours("tricks", "refuses_off_grid"),
        codes=("AUD222", "AUD203", "AUD206", "AUD213", "AUD303"),
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

MODELS: tuple[Case, ...] = (*_MASKED, *_CHANCE, *_TRICKS)
