"""The form of the network that attacks look for examples with: the fastest whose answers and gradients are the twin's.

Nothing that is counted rests on it: what it takes for an example the twin and the deployed model are asked about. A
form that is off would make attacks miss, so one whose gradients point elsewhere is refused, however fast it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from auditor.errors import ModelError
from auditor.target.batching import Loop, Mapped
from auditor.target.forms import Form, folds, lies_channels_last

if TYPE_CHECKING:
    from auditor.target.base import Network, Target
    from auditor.target.forms import Change
    from auditor.target.nearby import Nearby
    from auditor.types import Images, Logits

Precision: TypeAlias = Literal["auto", "float32", "bfloat16"]

GAIN = 0.9
"""A form must take at most this share of the twin's time, or it is not worth its rounding."""

WORTH = 2.0
"""Seconds of planned passes below which nothing is measured: measuring takes a tenth or two, and saves a fifth."""

STRAY = 0.02
"""Largest difference of logits, as a share of their range on the samples asked about."""

COSINE, WORST = 0.95, 0.85
"""Cosine of the gradients of the form and of the twin: the median over samples, and of nine samples in ten."""

_STEADY = 1e-4  # a twin that differs so much from itself, as a share of the range, answers at random
_FEW = 16
_PASSES = 20  # that a measurement takes, more or less
_SHARE = 0.02  # of the planned time that a measurement may take
_SHORTEST = 0.01  # seconds of a pass that can still be timed
_ROUNDS = 3


@dataclass(frozen=True)
class Search:
    """A cheaper form of the twin.

    Attributes:
        network: what answers; takes what the twin takes.
        form: how it computes.
        ratio: time of a forward and a backward pass over that of the twin, when it was measured.
        stray: largest difference of a margin (one logit less another) from the twin's that was seen.
        near: the neighbourhood over which its answers are averaged, if they are.
    """

    network: Network
    form: Form
    ratio: float
    stray: float
    near: Nearby | None = None

    @property
    def each(self) -> int:
        """Passes that an answer costs."""
        return 1 if self.near is None else self.near.points

    def record(self) -> dict[str, Any]:
        """What a resumed run needs to go on with the same form."""
        return {"form": asdict(self.form), "ratio": self.ratio, "stray": self.stray}


def around(twin: Network, near: Nearby) -> Search:
    """The twin's answers around a point in place of those at it; the point itself is asked about each time."""
    return Search(twin, Form(), 1.0, torch.inf, near)


def describe(target: Target) -> dict[str, Any]:
    """For the record of the model: what attacks look for examples with, and what it costs."""
    if (search := target.search) is None:
        last = target.remade is not None and lies_channels_last(_module(target.remade))
        return {"precision": "float32", "form": "the model's own" + (", channels last" if last else "")}
    return {
        "precision": search.form.precision,
        "form": search.form.describe(),
        "time": round(search.ratio, 3),
        "stray": round(search.stray, 6),
    }


def restore(target: Target, record: Mapping[str, Any]) -> Search | None:
    """The search network that `record` tells of; None where it cannot be made here, so that the twin itself serves."""
    form = Form(**record["form"])
    network = _network(target, form)
    return None if network is None else Search(network, form, record["ratio"], record["stray"])


def choose_search(target: Target, x: Images, precision: Precision, passes: int, batch_size: int) -> Search | None:
    """The fastest form that agrees with the twin and saves a tenth of its time; None where the twin itself serves.

    Args:
        target: bound, frozen, on its device.
        x: samples `(N, …)` in `[0, 1]` to compare and to time on.
        precision: `float32` asks for the twin itself; `bfloat16` for a form in it, even if it is no faster.
        passes: forward and backward passes of single samples that are planned at most.
        batch_size: samples that will be asked about at once.
    """
    if precision == "float32" or target.twin is None or target.remade is None:
        return None
    if target.input_dtype is not torch.float32:
        return None  # Half precision has nothing to gain, and who chose float64 wants it.
    try:
        return _choose(target, target.twin, x.to(target.device), precision, passes, batch_size)
    except torch.OutOfMemoryError:
        return None  # The batch is halved where attacks run out of it; copies of the weights would not shrink.


def _choose(
    target: Target, twin: Network, x: Images, precision: Precision, passes: int, batch_size: int
) -> Search | None:
    x = x[torch.arange(batch_size, device=x.device) % len(x)]
    few = Trial(target, x[:_FEW])
    few.ask(twin)
    each = few.seconds(twin) / len(few.x)
    if precision == "auto" and each * passes < WORTH:
        return None
    length = max(_SHORTEST, _SHARE * each * passes / _PASSES)
    trial = Trial(target, x[: max(_FEW, int(length / each))])
    own = trial.ask(twin)
    if not own.steady(trial.ask(twin)):
        return None
    agreeing: list[Search] = []
    for forms in _tiers(target, few.x, precision):
        agreeing += [search for form in forms if (search := _tried(trial, own, form)) is not None]
        if any(search.form.precision == "bfloat16" for search in agreeing):
            break
    timed = trial.race(twin, [search.network for search in agreeing])
    best = min(zip(timed, agreeing, strict=True), key=lambda pair: pair[0], default=None)
    if best is None or (best[0] > GAIN and precision == "auto"):
        return None
    return replace(best[1], ratio=best[0])


def _tiers(target: Target, x: Images, precision: Precision) -> tuple[list[Form], list[Form]]:
    """The forms to try, and those to try where no form of the first kind is right in bfloat16."""
    assert target.remade is not None
    module = _module(target.remade)
    folded = folds(module)
    layouts = (True, False) if target.preprocessing(x[:1]).dim() == 4 else (False,)
    forms = [Form(numbers="bfloat16", channels_last=last, folded=folded) for last in layouts]
    if precision == "auto":
        # What lies so already gains nothing by it, and a clock that errs would call that a gain.
        others = (False,) if lies_channels_last(module) else layouts
        forms += [Form(channels_last=last, folded=folded) for last in others if last or folded]
    return forms, [Form(numbers="autocast", channels_last=last) for last in layouts]


def _module(remade: Callable[[Change], Network]) -> nn.Module:
    """The module that the twin runs."""
    found = []

    def look(module: nn.Module) -> nn.Module:
        found.append(module)
        return module

    remade(look)
    return found[0]


def _network(target: Target, form: Form) -> Network | None:
    """The twin's network in another form and in the twin's way with batches; None where its module takes no such."""
    assert target.remade is not None
    try:
        network = target.remade(form)
    except torch.OutOfMemoryError:
        raise
    except Exception:  # a border: the module may be the user's own code, of which not everything can be copied
        return None
    return replace(target.twin, network=network) if isinstance(target.twin, Loop | Mapped) else network


def _tried(trial: Trial, own: _Answer, form: Form) -> Search | None:
    """The network in this form, or None where it does not run or does not agree."""
    network = _network(trial.target, form)
    if network is None:
        return None
    try:
        answer = trial.ask(network, own.order)
    except ModelError:
        return None  # It does not run in this form.
    return Search(network, form, 1.0, own.stray(answer)) if own.agrees(answer) else None


@dataclass(frozen=True)
class _Answer:
    """Logits `(N, K)`, their two likeliest classes `(N, 2)`, and the gradient `(N, D)` of the first's lead."""

    logits: Logits
    order: Tensor
    gradient: Tensor

    @property
    def _range(self) -> float:
        low, high = self.logits.aminmax()
        return max(float(high - low), 1e-6)

    def steady(self, again: _Answer) -> bool:
        """Whether the same question got the same answer."""
        return float((again.logits - self.logits).abs().max()) <= _STEADY * self._range

    def agrees(self, other: _Answer) -> bool:
        """Whether a form's answer is close enough to this one to look for examples with."""
        if not bool(other.logits.isfinite().all() & other.gradient.isfinite().all()):
            return False
        alike = cosine(self.gradient, other.gradient)
        return (
            float((other.logits - self.logits).abs().max()) <= STRAY * self._range
            and float(alike.quantile(0.5)) >= COSINE
            and float(alike.quantile(0.1)) >= WORST
        )

    def stray(self, other: _Answer) -> float:
        """Largest difference of a margin: of one logit less that of the likeliest class."""
        error = other.logits - self.logits
        return float((error - error.gather(1, self.order[:, :1])).abs().max())


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """Per row, 1 where both are zero; of any length, since a small gradient leads as well as a large one."""
    a, b = (g.double() / g.double().abs().amax(1, keepdim=True).clamp_min(1e-300) for g in (a, b))
    both_zero = ~(a.any(1) | b.any(1))
    return torch.where(both_zero, 1.0, functional.cosine_similarity(a, b))


@dataclass(frozen=True)
class Trial:
    """Samples to compare forms and to time them on."""

    target: Target
    x: Images

    def ask(self, network: Network, order: Tensor | None = None) -> _Answer:
        """One forward and one backward pass."""
        with torch.enable_grad():
            leaf = self.x.detach().requires_grad_(True)
            logits = self.target.read(network, leaf)
            order = logits.detach().topk(2, 1).indices if order is None else order
            first, second = logits.gather(1, order).unbind(1)
            (gradient,) = torch.autograd.grad((first - second).sum(), leaf)
        return _Answer(logits.detach(), order, gradient.flatten(1))

    def seconds(self, network: Network) -> float:
        """Of one pass forth and back: of the processor's time, which others who use the machine do not lengthen."""
        device = self.x.device
        if device.type == "cpu":
            begun = time.process_time()
            self.ask(network)
            return time.process_time() - begun
        torch.accelerator.synchronize(device)
        begun = time.perf_counter()
        self.ask(network)
        torch.accelerator.synchronize(device)
        return time.perf_counter() - begun

    def race(self, twin: Network, networks: list[Network]) -> list[float]:
        """Time of each over the twin's. Rounds alternate, and the best of each counts."""
        best = [float("inf")] * (1 + len(networks))
        for _ in range(_ROUNDS):
            best = [min(known, self.seconds(network)) for known, network in zip(best, [twin, *networks], strict=True)]
        return [seconds / best[0] for seconds in best[1:]]
