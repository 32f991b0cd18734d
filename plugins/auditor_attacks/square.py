"""Square attack: Andriushchenko et al., arXiv:1912.00049; for l1 Croce & Hein, arXiv:2103.01208."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.attack import Passes
from auditor.lanes import LaneAttack, Lanes, put
from auditor.parameters import parameter
from auditor.types import Access, Norm
from auditor_attacks import _bumps
from auditor_attacks._squares import Canvas, Dealer, edges, squares

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import Gradient, View
    from auditor.types import Images, Threat

# Queries, of 10,000, after which the squares shrink to half their area.
_HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)


@dataclass(kw_only=True)
class Painting(Lanes):
    """The state of a search: the best image of this search, its margin, and what the next squares are made of."""

    image: Tensor
    value: Tensor
    dealer: Dealer


@dataclass(frozen=True, kw_only=True)
class Square(LaneAttack):
    """Repaints random squares of every sample and keeps what lowers the margin; needs scores, no gradients.

    Inputs that are no images are treated as one long row of pixels, and squares as pieces of it. With
    `start=closest` it refines the best point that earlier attacks found, which takes far fewer queries than a search
    from stripes wherever gradients lead near the border and not across it.

    Finds: models that gradients cannot reach (masked, quantised, not differentiable) though they are weak.
    Blind to: examples that need all pixels in concert; with few queries it breaks less than `apgd`.
    Cost: `queries` forward passes.
    Use it when: there are no gradients, or none to be trusted.
    """

    name: ClassVar[str] = "square"
    paper: ClassVar[str] = "arXiv:1912.00049"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF, Norm.L2, Norm.L1})
    access: ClassVar[Access] = Access.SCORES

    queries: int = parameter(5000, help="questions asked per sample", low=1, high=10_000_000)
    start: str = parameter("stripes", help="what is repainted first", choices=("stripes", "closest"))
    p_init: float = parameter(0.8, help="share of the pixels in the first squares", low=1e-6, high=1.0)
    p_final: float = parameter(
        0.0, help="share in the last squares, fallen to evenly; 0 is the paper's schedule", low=0.0, high=1.0
    )

    @property
    def label(self) -> str:
        return "square" if self.start == "stripes" else "square-refine"

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=self.queries)

    def asks(self, num_classes: int) -> tuple[int, int]:
        return 1, self.queries - 1

    def begin(self, target: View, begun: Lanes, threat: Threat, earlier: Painting | None) -> Painting:
        x, canvas = begun.x, Canvas.of(begun.x)
        flat = threat.norm is Norm.LINF
        if self.start == "closest":
            begun.point = threat.project(begun.closest, x)
        elif flat:
            signs = begun.rng.fork("stripes").signs(canvas.channels, 1, canvas.width)
            begun.point = (canvas.grid(x) + threat.eps * signs).clamp_(0.0, 1.0).view(x.shape)
        else:
            begun.point = _bumps.grid(x, threat, begun.rng.fork("grid"))
        numbers = (2 if flat else _bumps.NUMBERS) + canvas.channels
        strokes = partial(self._strokes, canvas, threat.eps) if flat else None
        return Painting.of(
            begun,
            image=begun.point.clone(),
            value=torch.full_like(begun.margin, -torch.inf),
            dealer=Dealer(begun.rng, begun.step, numbers, strokes),
        )

    def advance(self, lanes: Painting, answer: Gradient, threat: Threat) -> None:
        better = answer.margin > lanes.value
        lanes.value = torch.where(better, answer.margin, lanes.value)
        put(lanes.image, better, lanes.point)
        dealt = lanes.dealer.deal(lanes.step)
        if threat.norm is Norm.LINF:
            lanes.point = _painted(lanes.x, lanes.image, dealt)
        else:
            lanes.point = _bumps.moved(lanes.x, lanes.image, threat, self._shares(lanes.step + 1), dealt)

    def _strokes(self, canvas: Canvas, eps: float, dealt: Tensor, step: Tensor) -> Tensor:
        """The next squares, `(M, height + width + channels)`: their `edges`, and the change of each channel."""
        square = squares(canvas, self._shares(step + 1), dealt[:, :2])
        return torch.cat([edges(canvas, square), torch.where(dealt[:, 2:] < 0.5, eps, -eps)], 1)

    def _shares(self, query: Tensor) -> Tensor:
        """Share of the pixels to repaint at these queries; the schedule is stretched over the queries there are."""
        if self.p_final:
            return self.p_init * (self.p_final / self.p_init) ** (query / self.queries)
        at = torch.tensor(_HALVINGS, device=query.device) * self.queries
        return self.p_init * 0.5 ** torch.bucketize(10_000 * query, at)


def _painted(x: Images, image: Images, strokes: Tensor) -> Images:
    """The images with one square in each, as far from the samples as the ball allows."""
    canvas = Canvas.of(x)
    rows, columns, change = torch.split(strokes, [canvas.height, canvas.width, canvas.channels], 1)
    inside = rows[:, None, :, None] * columns[:, None, None, :]
    paint = (canvas.grid(x) + change[:, :, None, None]).clamp_(0.0, 1.0)
    # Between 0 and 1 alone, which are exact; all pixels at once cost less than finding those of every square.
    return torch.lerp(canvas.grid(image), paint, inside, out=paint).view(x.shape)
