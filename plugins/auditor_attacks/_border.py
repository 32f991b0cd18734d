"""Searches that see labels only: one question per sample and turn, and the border that the answers enclose.

A search is a generator: it yields `(N, …)` points, one for every sample, and is sent which of them the model gets
wrong, `(N,)` bool. Samples are at different places of their searches, so these decide with masks. Whoever runs the
search counts the questions; see `asked`.
"""

from __future__ import annotations

import itertools
import math
from abc import abstractmethod
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import torch

from auditor.attack import Attack, Passes
from auditor.lanes import put
from auditor.norms import per_sample
from auditor.parameters import parameter
from auditor.types import Access, Norm

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat

Search: TypeAlias = "Generator[Tensor, Tensor, None]"

_SIDES = (1, 2, 4, 7, 14)
_PLAIN = ("noise", "negative", "black", "white")
STARTS = len(_PLAIN) + len(_SIDES)
"""Kinds of images that searches begin with."""

_LOOKS, _NEARER, _BEYOND = 3, 0.9, 4.0


def enlarged(coarse: Images, side: int) -> Images:
    """Every pixel as a tile of this side."""
    return coarse.repeat_interleave(side, 2).repeat_interleave(side, 3)


def beside(x: Images, far: Images, direction: Tensor, aside: Tensor, along: Tensor) -> Images:
    """Points at the share `along` of the ways from `x` to `far`, and `aside` of them by the distances given, `(N,)`.

    Aside is to where `direction`, `(N, …)`, points at right angles to the way, in l2.
    """
    way, turn = (far - x).flatten(1), direction.flatten(1)
    part = torch.linalg.vecdot(way, turn) / torch.linalg.vecdot(way, way).clamp_min(1e-30)
    across = torch.addcmul(turn, way, part[:, None], value=-1.0)
    length = (aside / torch.linalg.vector_norm(across, dim=1).clamp_min(1e-30))[:, None]
    return torch.addcmul(x.flatten(1), way, along[:, None]).addcmul_(across, length).view_as(x)


def size(change: Tensor, norm: Norm) -> Tensor:
    """Size of changes `(N, …)`, `(N,)`, in linf or l2."""
    flat = change.flatten(1)
    measured: Tensor = flat.abs().amax(1) if norm is Norm.LINF else flat.norm(dim=1)
    return measured


def some(rows: Tensor) -> bool:
    """Whether any are marked; on an accelerator, which would have to be waited for, there may be."""
    return rows.device.type != "cpu" or bool(rows.any())


@dataclass
class Border:
    """Where the model's answer changes on the way from every sample to a point that it gets wrong.

    The way is straight in l2; in linf it is the point clipped to ever smaller boxes around the sample.

    Attributes:
        x: `(N, …)` samples.  corners: whether ways lead to corners of the box only.
        far: `(N, …)` points that the model gets wrong; the sample itself where none is known.
        found: `(N,)` bool, where one is.  reach: `(N,)` distance of `far`.
        low, high: `(N,)` distances along the way; wrong at `high`, and right at `low` as far as is known.
    """

    x: Images
    norm: Norm
    corners: bool = False
    far: Images = field(init=False)
    found: Tensor = field(init=False)
    reach: Tensor = field(init=False)
    low: Tensor = field(init=False)
    high: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.far = self.x.clone()
        self.low = self.x.new_zeros(len(self.x))
        self.reach, self.high = self.low.clone(), self.low.clone()
        self.found = torch.zeros_like(self.low, dtype=torch.bool)

    def at(self, radius: Tensor) -> Images:
        """The points of the ways at distances `radius`, `(N,)`."""
        return self.on_the_way(self.far, radius, self.reach)

    def on_the_way(self, far: Images, radius: Tensor, reach: Tensor) -> Images:
        """The points at distances `radius` on the ways to `far`, which lies at `reach`."""
        if self.norm is Norm.LINF:
            bound = per_sample(radius, far)
            return far.clamp(self.x - bound, self.x + bound)
        return torch.lerp(self.x, far, per_sample((radius / reach.clamp_min(1e-30)).clamp_max(1.0), far))

    def end(self, image: Images) -> Images:
        """Where a way towards `image` ends."""
        return (image > self.x).to(image.dtype) if self.corners else image

    @property
    def edge(self) -> Images:
        """The nearest points of the ways that are known to be wrong."""
        return self.at(self.high)

    @property
    def middle(self) -> Tensor:
        """Distances, `(N,)`, at which the next question halves what is not known."""
        return 0.5 * (self.low + self.high)

    def halve(self, radius: Tensor, wrong: Tensor, where: Tensor) -> None:
        """Take the answers at distances `radius` into account in some rows, `(N,)` bool."""
        self.high = torch.where(wrong & where, radius, self.high)
        self.low = torch.where(~wrong & where, radius, self.low)

    def adopt(self, better: Tensor, far: Images, radius: Tensor | None = None) -> None:
        """In the rows `better` the ways lead elsewhere: to `far`, wrong there or at the distances `radius` before."""
        if not some(better):
            return
        put(self.far, better, far)
        reach = size(far - self.x, self.norm)
        self.reach = torch.where(better, reach, self.reach)
        self.high = torch.where(better, reach if radius is None else radius, self.high)
        self.low = self.low.masked_fill(better, 0.0)
        self.found = self.found | better


@dataclass(frozen=True, kw_only=True)
class BorderAttack(Attack):
    """An attack that finds the border and then searches along it, asking for labels only."""

    access: ClassVar[Access] = Access.LABELS
    minimal: ClassVar[bool] = True
    corners: ClassVar[bool] = False
    """True where it looks at the corners of linf balls only."""

    queries: int = parameter(5000, help="questions asked per sample", low=1, high=10_000_000)

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=self.queries)

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        border = Border(x, threat.norm, self.corners)
        search = self._searching(border, target, threat, rng)
        asked(search, target, y, self.queries)
        return threat.project(border.edge, x)

    @abstractmethod
    def along(self, border: Border, rng: Rng) -> Search:
        """Where to ask, without end; what comes of it is to be put into `border`."""

    def _searching(self, border: Border, target: View, threat: Threat, rng: Rng) -> Search:
        yield from _approach(border, target.nearest if threat.minimal else None, target.closest, rng.fork("starts"))
        yield from _seeking(self.along(border, rng.fork("steps")), border, rng.fork("further starts"))


def asked(search: Search, target: View, y: Labels, queries: int) -> None:
    """Ask the model the first `queries` questions of a search."""
    point = next(search)
    for _ in range(queries):
        point = search.send(target.labels(point) != y)


def _approach(border: Border, nearest: Images | None, closest: Images, rng: Rng) -> Search:
    """Find a point that the model gets wrong, and a near one rather than a far one.

    Where earlier attacks came close within a budget, as those made on surrogates, the first way goes far beyond that.

    What earlier attacks found, noise, the negative of the sample, black, white, and tiles of noise take turns, each
    brought as near as the nearest point known so far; after each, a few questions narrow its way down.
    """
    for turn in range(0 if nearest is None else -1, STARTS):
        image = candidate(border.x, rng, turn) if nearest is None or turn >= 0 else nearest
        if nearest is None and turn == 0:
            ahead = closest - border.x
            put(image, ahead.flatten(1).any(1), (border.x + _BEYOND * ahead).clamp(0.0, 1.0))
        far = border.end(image)
        reach = size(far - border.x, border.norm)
        # Nearer than what is known, or it is of no use.
        wanted = torch.where(border.found, _NEARER * border.high, reach)
        better = (yield border.on_the_way(far, wanted, reach)) & (~border.found | (reach > wanted))
        border.adopt(better, far, torch.minimum(wanted, reach))
        for _ in range(_LOOKS):
            radius = border.middle
            border.halve(radius, (yield border.at(radius)), border.found)


def _seeking(search: Search, border: Border, rng: Rng) -> Search:
    """The same search, but samples of which no wrong point is known are asked about a corner at every other turn."""
    point = next(search)
    for turn in itertools.count():
        point = search.send((yield point))
        lost = ~border.found
        if not some(lost):
            point = search.send((yield point))
            continue
        start = tiles(border.x, rng, _SIDES[turn % len(_SIDES)])
        wrong = yield torch.where(per_sample(lost, start), start, point)
        point = search.send(wrong & ~lost)
        border.adopt(wrong & lost, start)


def candidate(x: Images, rng: Rng, turn: int) -> Images:
    """An image, `(N, …)`, that the model may well take for something else than `x`; which kind, `turn` says."""
    match _PLAIN[turn] if turn < len(_PLAIN) else "tiles":
        case "negative":
            return 1.0 - x
        case "black":
            return torch.zeros_like(x)
        case "white":
            return torch.ones_like(x)
        case "noise":
            return rng.uniform(*x.shape[1:])
    return tiles(x, rng, _SIDES[turn - len(_PLAIN)])


def tiles(x: Images, rng: Rng, side: int) -> Images:
    """Black and white tiles of this side, `(N, …)`; inputs that are no images are a row."""
    channels, height, width = x.shape[1:] if x.dim() == 4 else (1, 1, x[0].numel())
    down, across = math.ceil(height / side), math.ceil(width / side)
    coarse = (rng.octets(channels * down * across) > 127).view(len(x), channels, down, across).to(x.dtype)
    return enlarged(coarse, side)[:, :, :height, :width].reshape(x.shape)
