"""Square attack: Andriushchenko et al., arXiv:1912.00049; for l1 Croce & Hein, arXiv:2103.01208."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.attack import Attack, Passes
from auditor.engine.view import margins
from auditor.parameters import parameter
from auditor.types import Access, Norm
from auditor_attacks._squares import Canvas, Spikes, Stripes

if TYPE_CHECKING:
    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat

# Queries, of 10,000, after which the squares shrink to half their area.
_HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)


@dataclass(frozen=True, kw_only=True)
class Square(Attack):
    """Repaints random squares of every sample and keeps what lowers the margin; needs scores, no gradients.

    Inputs that are no images are treated as one long row of pixels, and squares as pieces of it.

    Finds: models that gradients cannot reach (masked, quantised, not differentiable) though they are weak.
    Blind to: examples that need all pixels in concert; with few queries it breaks less than `apgd`.
    Cost: `queries` forward passes.
    """

    name: ClassVar[str] = "square"
    paper: ClassVar[str] = "arXiv:1912.00049"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF, Norm.L2, Norm.L1})
    access: ClassVar[Access] = Access.SCORES

    queries: int = parameter(5000, help="questions asked per sample", low=1, high=10_000_000)
    p_init: float = parameter(0.8, help="share of the pixels in the first squares", low=1e-6, high=1.0)

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=self.queries)

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        canvas = Canvas.of(x)
        painter = (Stripes if threat.norm is Norm.LINF else Spikes)(canvas, threat, rng)
        best = margins(target.logits(painter.image), y)
        for query in range(1, self.queries):
            painter.paint(self._share(query))
            margin = margins(target.logits(painter.image), y)
            better = margin > best
            painter.settle(better)
            best = torch.where(better, margin, best)
        return painter.image

    def _share(self, query: int) -> float:
        """Share of the pixels to repaint; its schedule is stretched over the queries there are."""
        passed = sum(10_000 * query / self.queries > at for at in _HALVINGS)
        return float(self.p_init / 2**passed)
