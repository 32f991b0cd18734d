"""What attacks raise: logits `(N, K)` and labels `(N,)` to one number per sample, `(N,)`, positive where broken.

The difference of logits ratio is invariant to shifting and scaling the logits, so that a model cannot hide its
gradients behind large ones (Croce & Hein, arXiv:2003.01690). It needs the third largest logit, its targeted form
the fourth; models with fewer classes are attacked with the plain difference, which has the same sign.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

from auditor.engine.ledger import margins

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import Loss

NAMES = ("ce", "dlr", "margin", "dlr-targeted", "margin-targeted")
_TINY = 1e-12


def untargeted(name: str) -> Loss:
    """The loss called `ce`, `margin` or `dlr`."""
    return {"ce": cross_entropy, "margin": margins, "dlr": difference_of_logits_ratio}[name]


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """Minus the log-probability of the true class; its gradient vanishes where that probability rounds to 1."""
    return functional.cross_entropy(logits, y, reduction="none")


def difference_of_logits_ratio(logits: Tensor, y: Tensor) -> Tensor:
    """The margin in units of the distance from the largest to the third largest logit."""
    if logits.shape[1] < 3:
        return margins(logits, y)
    top = logits.topk(3, 1).values
    return margins(logits, y) / (top[:, 0] - top[:, 2] + _TINY)


def towards(classes: Tensor) -> Loss:
    """The targeted difference of logits ratio towards one class per sample, `(N,)`."""

    def loss(logits: Tensor, y: Tensor) -> Tensor:
        if logits.shape[1] < 4:
            return gap(classes)(logits, y)
        top = logits.topk(4, 1).values
        return gap(classes)(logits, y) / (top[:, 0] - 0.5 * (top[:, 2] + top[:, 3]) + _TINY)

    return loss


def gap(classes: Tensor) -> Loss:
    """The logit of one class per sample, `(N,)`, less the true one."""
    return lambda logits, y: (logits.gather(1, classes[:, None]) - logits.gather(1, y[:, None])).squeeze(1)


def shortfall(confidence: float = 0.0) -> Loss:
    """What the margin lacks to reach `confidence`, negative; 0 where it is reached, so that nothing pulls further."""
    return lambda logits, y: (margins(logits, y) - confidence).clamp_max(0.0)
