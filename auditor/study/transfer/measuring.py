"""Making the smallest examples on one network and trying them on others."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from auditor.engine.aims import Aims
from auditor.engine.attempt import Ring, attempt
from auditor.engine.plan import Step
from auditor.result.statistics import wilson
from auditor.result.transfer import ClassCount, TransferCell, TransferMatrix, TransferSource
from auditor.rng import Rng
from auditor.study.transfer.record import Figure, Noise
from auditor.target.base import ModelOptions, Target
from auditor.types import Norm, Threat

if TYPE_CHECKING:
    from auditor.attack import Attack
    from auditor.types import Images, Labels

_THREAT = Threat(norm=Norm.L2, eps=math.inf)
_ENTRIES = 400_000
"""Numbers that a batch of samples holds at most: L-BFGS remembers twenty times as many."""
_HALVINGS = 40


@dataclass(frozen=True)
class Held:
    """Held-out samples `(N, …)` that are attacked, and their labels `(N,)`."""

    x: Images
    y: Labels
    classes: int


@dataclass(frozen=True)
class Made:
    """Examples made on one network: of every held-out sample one, or the sample itself where none was found.

    Attributes:
        right: `(N,)` bool, which samples the network has right: only these were attacked.
        found: `(N,)` bool, of which samples there is an example.
    """

    images: Images
    right: Tensor
    found: Tensor
    source: TransferSource


def right(network: nn.Module, held: Held) -> Tensor:
    """Which samples a network has right, `(N,)` bool."""
    return answers(network, held.x) == held.y


def answers(network: nn.Module, x: Images) -> Labels:
    """The classes that a network names, `(N,)`."""
    with torch.no_grad():
        return torch.cat([network(part).argmax(1) for part in torch.split(x, 1000)])


def made_on(
    name: str, network: nn.Module, held: Held, attack: Attack, seed: int, on_call: Callable[[], None] = lambda: None
) -> Made:
    """The smallest examples that `attack` finds on a network, confirmed as every example that auditor counts."""
    target = Target(
        name=name,
        source=name,
        sha256="",
        format="module",
        deployed=network,
        twin=network,
        gradients="native",
        input_shape=None,
        options=ModelOptions(),
        device=torch.device("cpu"),
        num_classes=held.classes,
    )
    ring = Ring(target=target, threat=_THREAT, seed=seed, margin=0.0, on_call=on_call)
    known = right(network, held)
    rows, images, found = known.nonzero().squeeze(1), held.x.clone(), torch.zeros_like(known)
    source = TransferSource(name=name, members=(name,), status="ran", attacked=len(rows))
    for part in torch.split(rows, max(1, _ENTRIES // held.x[0].numel())):
        came = attempt(ring, Step(attack.label, attack), held.x[part], Aims(held.y[part]), part)
        at = part[came.found.rows]
        images[at], found[at] = came.found.adversarial, True
        source = source.model_copy(
            update={
                "status": came.status if source.status == "ran" else source.status,
                "reason": source.reason or came.reason,
                "seconds": source.seconds + came.seconds,
                "forwards": source.forwards + came.forwards,
                "backwards": source.backwards + came.backwards,
            }
        )
    return Made(images, known, found, source)


def magnified(made: Made, held: Held, size: float) -> Made:
    """The same changes, drawn out to a root mean square of `size` where they are smaller, and clipped to `[0, 1]`."""
    change = made.images - held.x
    factor = (size / root_mean_square(change).clamp_min(1e-12)).clamp_min(1.0)
    return replace(made, images=(held.x + _rowwise(factor, change) * change).clamp(0.0, 1.0))


def noise_like(change: Tensor, x: Images, rng: Rng) -> Images:
    """Samples with Gaussian noise, clipped to `[0, 1]`, that is as large as the change of each after clipping."""
    draw, wanted = rng.normal(*x.shape[1:]), root_mean_square(change)
    low, high = torch.zeros_like(wanted), torch.full_like(wanted, 16.0)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        small = root_mean_square((x + _rowwise(middle, x) * draw).clamp(0.0, 1.0) - x) < wanted
        low, high = torch.where(small, middle, low), torch.where(small, high, middle)
    return (x + _rowwise(high, x) * draw).clamp(0.0, 1.0)


def root_mean_square(change: Tensor) -> Tensor:
    """The paper's size of a change, over the pixels of each sample: `(N, …)` to `(N,)`."""
    return change.flatten(1).square().mean(1).sqrt()


def distortion(made: Made, held: Held, confidence: float, paper: float | None = None) -> Figure:
    """The mean size of the changes that were found, with the interval of a mean of so many."""
    return _mean(root_mean_square(made.images - held.x)[made.found], confidence, paper)


def plain_noise(
    networks: Mapping[str, nn.Module],
    held: Held,
    deviation: float,
    seed: int,
    confidence: float,
    paper: Mapping[str, float],
) -> Noise:
    """What Gaussian noise of a standard deviation, clipped to `[0, 1]`, does to each network."""
    rng = Rng.keyed(seed, f"noise/{deviation:g}", torch.arange(len(held.y)))
    shown = (held.x + deviation * rng.normal(*held.x.shape[1:])).clamp(0.0, 1.0)
    rates = {}
    for name, network in networks.items():
        known = right(network, held)
        n, k = int(known.sum()), int((known & (answers(network, shown) != held.y)).sum())
        if n:
            rates[name] = Figure(value=k / n, interval=wilson(k, n, confidence), paper=paper.get(name))
    return Noise(deviation=deviation, size=_mean(root_mean_square(shown - held.x), confidence), rates=rates)


def _mean(sizes: Tensor, confidence: float, paper: float | None = None) -> Figure:
    sizes = sizes.double()
    if not len(sizes):
        return Figure(value=0.0, interval=(0.0, 0.0), paper=paper)
    mean = float(sizes.mean())
    z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    half = z * float(sizes.std()) / math.sqrt(len(sizes)) if len(sizes) > 1 else 0.0
    return Figure(value=mean, interval=(mean - half, mean + half), paper=paper)


def tried(
    made: Mapping[str, Made], networks: Mapping[str, nn.Module], held: Held, seed: int, confidence: float
) -> TransferMatrix:
    """All examples on all networks, among the samples that both have right, beside noise of the same size."""
    cells = []
    for source, examples in made.items():
        rng = Rng.keyed(seed, f"noise/{source}", torch.arange(len(held.y)))
        noisy = noise_like(examples.images - held.x, held.x, rng)
        named = answers(networks[source], examples.images)
        for target, network in networks.items():
            among = examples.right & right(network, held)
            said = answers(network, examples.images)
            # Where none was found there is nothing to try, however the network answers.
            fooled = among & examples.found & (said != held.y)
            shaken = among & examples.found & (answers(network, noisy) != held.y)
            cells.append(_cell(source, target, held, among, fooled, fooled & (said == named), shaken, confidence))
    return TransferMatrix(
        norm=Norm.L2,
        eps=math.inf,
        attack="lbfgs",
        parameters={},
        sources=tuple(each.source for each in made.values()),
        targets=tuple(networks),
        cells=tuple(cells),
    )


def _cell(
    source: str,
    target: str,
    held: Held,
    among: Tensor,
    fooled: Tensor,
    agreed: Tensor,
    shaken: Tensor,
    confidence: float,
) -> TransferCell:
    n, k = int(among.sum()), int(fooled.sum())
    per_class: Sequence[tuple[int, int]] = [
        (int(among[held.y == label].sum()), int(fooled[held.y == label].sum())) for label in range(held.classes)
    ]
    return TransferCell(
        source=source,
        target=target,
        among=n,
        fooled=k,
        rate=k / n if n else None,
        interval=wilson(k, n, confidence) if n else None,
        agreed=int(agreed.sum()),
        noise=int(shaken.sum()),
        classes=tuple(ClassCount(label=i, among=a, fooled=b) for i, (a, b) in enumerate(per_class) if a),
        reason="" if n else "there is no sample that both have right",
    )


def _rowwise(values: Tensor, like: Tensor) -> Tensor:
    return values.view(-1, *[1] * (like.dim() - 1))
