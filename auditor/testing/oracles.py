"""Models whose robustness is known in closed form, and a driver that treats an attack as the engine does."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from auditor.attack import Attack
from auditor.engine.ledger import Ledger
from auditor.engine.view import Finished, View
from auditor.norms import per_sample
from auditor.rng import Rng
from auditor.target.base import ModelOptions, Target
from auditor.types import Norm, Threat

_DUAL = {Norm.LINF: 1.0, Norm.L2: 2.0, Norm.L1: torch.inf}


def target_of(network: Callable[[Tensor], Tensor], num_classes: int, device: str = "cpu") -> Target:
    """A target around a function of `[0, 1]` samples to logits, deployed form and twin alike."""
    return Target(
        name="oracle",
        source="oracle",
        sha256="0" * 64,
        format="state_dict",
        deployed=network,
        twin=network,
        gradients="native",
        input_shape=None,
        options=ModelOptions(),
        device=torch.device(device),
        num_classes=num_classes,
    )


@dataclass(frozen=True)
class Linear:
    """A linear classifier, and samples well inside the box that all lie at distance `eps` from another class.

    In l0 that is a number of entries: one less changes no label, whatever becomes of them.
    """

    network: nn.Module
    x: Tensor
    y: Tensor
    eps: float
    num_classes: int

    @classmethod
    def draw(
        cls,
        shape: tuple[int, ...],
        num_classes: int,
        n: int,
        norm: Norm,
        seed: int = 0,
        rivals: int | None = None,
        away: float = 0.25,
    ) -> Linear:
        """Random weights; `n` random samples with the labels that the model itself gives them.

        With fewer `rivals` than classes, only that many classes are ever in question. Between two, every loss rises
        in the same direction; among more, only an attack that tries each class is sure to find the nearest. In l0,
        samples lie `away` from the grey one: at 0 a single entry is enough.
        """
        generator = torch.Generator().manual_seed(seed)
        layer = nn.Linear(math.prod(shape), num_classes)
        layer.weight.data = torch.randn(layer.weight.shape, generator=generator)
        # The grey sample ties all classes, so that moving towards it scales every distance.
        layer.bias.data = -0.5 * layer.weight.data.sum(1)
        layer.bias.data[rivals or num_classes :] -= 20.0
        network = nn.Sequential(nn.Flatten(), layer).eval().requires_grad_(False)
        x = 0.5 + 0.1 * (torch.rand(8 * n, *shape, generator=generator) - 0.5)
        if norm is Norm.L0:
            x, eps = _few_entries(layer, network, x, n, away)
            return cls(network, x, network(x).argmax(1), eps, num_classes)
        distances = _distances(layer, network(x), norm)
        far = distances.topk(n).indices
        eps = float(distances[far].min())
        x = 0.5 + (x[far] - 0.5) * per_sample((eps / distances[far]).float(), x)
        return cls(network, x, network(x).argmax(1), eps, num_classes)

    @property
    def target(self) -> Target:
        return target_of(self.network, self.num_classes)


def _distances(layer: nn.Linear, logits: Tensor, norm: Norm) -> Tensor:
    """Smallest change that ties two classes, `(N,)`, in float64: margin over dual norm (arXiv:1511.04599)."""
    y = logits.argmax(1)
    gap = logits.double().gather(1, y[:, None]) - logits.double()
    slopes = layer.weight.double()[y][:, None] - layer.weight.double()[None]
    size: Tensor = torch.linalg.vector_norm(slopes, _DUAL[norm], dim=2)
    return (gap / size).masked_fill(size == 0, torch.inf).amin(1)


def _few_entries(layer: nn.Linear, network: nn.Module, x: Tensor, n: int, away: float) -> tuple[Tensor, float]:
    """Of samples moved into their class, `n` that need the same number of entries; and that number."""
    slopes = layer.weight - layer.weight.mean(0)
    x = x + away * slopes[network(x).argmax(1)].sign().view_as(x)
    # Where a sum of entries only just reaches the border, float32 would have to decide.
    low, high = (_entries(layer, network(x), x, share) for share in (0.98, 1.02))
    clear = low[low == high]
    usual = int(clear.mode().values)
    return x[(low == usual) & (high == usual)][:n], float(usual)


def _entries(layer: nn.Linear, logits: Tensor, x: Tensor, share: float) -> Tensor:
    """How many entries of a sample in the box must change until another class leads, `(N,)` int64.

    One entry lowers the lead over a class by the larger of what moving it to 0 and to 1 does; entries do so
    independently of each other, so that the fewest are those that do most.
    """
    y, flat = logits.argmax(1), x.flatten(1).double()
    gap = share * (logits.double().gather(1, y[:, None]) - logits.double())
    slopes = layer.weight.double()[None] - layer.weight.double()[y][:, None]
    gains = torch.maximum(slopes * (1.0 - flat)[:, None], -slopes * flat[:, None])
    reached = gains.sort(2, descending=True).values.cumsum(2)
    short = (reached <= gap[:, :, None]).sum(2)
    # Of the class itself, and of one that cannot be reached, all entries fall short.
    return (short + 1).amin(1)


@dataclass(frozen=True)
class Outcome:
    """What the engine would know after an attack."""

    found: Tensor
    best: Tensor
    candidates: Tensor | None
    forwards: int
    backwards: int
    unanswered: Tensor
    blind: Tensor


def run(
    attack: Attack,
    target: Target,
    x: Tensor,
    y: Tensor,
    threat: Threat,
    seed: int = 0,
    indices: Tensor | None = None,
) -> Outcome:
    """Attack one batch as the engine does: through a view, one last judgement of what the attack returns."""
    ledger = Ledger.open(x, y, threat, target.num_classes, margin=0.0, deadline=float("inf"))
    keys = torch.arange(len(x)) if indices is None else indices
    candidates = None
    try:
        candidates = attack.perturb(
            View(target, ledger, attack.access), x, y, threat, Rng.keyed(seed, attack.label, keys)
        )
        rows = ledger.active.nonzero().squeeze(1)
        projected = threat.project(candidates, x)[rows]
        ledger.record(rows, projected, target.answer(projected))
    except Finished:
        pass
    return Outcome(
        ledger.found, ledger.best, candidates, ledger.forwards, ledger.backwards, ledger.unanswered, ledger.blind
    )
