"""The cases in which nothing is wrong, and nothing may be said."""

from __future__ import annotations

from auditor.selftest.case import Case, ours

_PLAIN, _HARDENED = ours("networks", "plain"), ours("networks", "hardened")

HONEST: tuple[Case, ...] = (
    Case(name="plain", model=_PLAIN, quick=True),
    Case(name="hardened", model=_HARDENED, eps=(0.3,), quick=True),
    Case(name="linear", model=ours("networks", "linear"), eps=(0.05,), exact=True, quick=True),
    Case(name="plain-onnx", model="demo:plain.onnx", eps=(8 / 255,), quick=True),
    Case(name="hardened-onnx", model="demo:hardened.onnx", eps=(0.1, 0.2, 0.3)),
    Case(name="all-fall", model=_PLAIN, eps=(0.3,), quick=True),
    Case(name="none-falls", model=_HARDENED, eps=(2 / 255,)),
    Case(name="l2", model=_PLAIN, norm="l2", eps=(1.0,)),
    Case(name="l2-hardened", model=_HARDENED, norm="l2", eps=(1.5,)),
    Case(name="float-pixels", model=_HARDENED, data="floats", eps=(0.2,)),
    Case(
        name="normalised",
        model=ours("wiring", "wants_normalised"),
        settings={"mean": "0.1307", "std": "0.3081"},
        quick=True,
    ),
    Case(name="pixels-to-255", model=ours("wiring", "wants_255"), settings={"input_range": "0,255"}),
    Case(name="bgr-as-told", model=ours("wiring", "wants_bgr"), data="red", settings={"channel_order": "bgr"}),
    Case(name="reads-red", model=ours("wiring", "reads_red"), data="red"),
    Case(name="colour", model=ours("sound", "colour"), data="gray-as-colour"),
    Case(name="normalises-inside", model=ours("sound", "inside_normalised"), eps=(0.2,)),
    Case(name="probabilities", model=ours("sound", "probabilities"), eps=(0.3,), quick=True),
    Case(name="log-probabilities", model=ours("sound", "log_probabilities")),
    Case(name="linear-probabilities", model=ours("sound", "linear_probabilities"), eps=(0.03,), exact=True),
    Case(name="two-classes", model=ours("sound", "even_or_odd"), data="even-odd", eps=(0.2,)),
    Case(name="one-output", model=ours("sound", "odd"), data="even-odd", eps=(0.2,)),
    Case(name="three-classes", model=ours("sound", "three_classes"), data="thirds"),
    Case(name="mean-of-two", model=ours("sound", "ensemble")),
    Case(name="blur-in-front", model=ours("sound", "blurred"), eps=(0.2,)),
    Case(name="smooth-activations", model=ours("sound", "softened")),
    Case(name="float64", model=ours("sound", "double_precision")),
    Case(name="sure-of-itself", model=ours("sound", "sure")),
)
