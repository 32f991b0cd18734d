"""The boundary-binarisation test: a network's features, read by two classes whose border crosses the ball."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from auditor.errors import UsageError
from auditor.target.head import Head

if TYPE_CHECKING:
    from auditor.target.base import Network, Target
    from auditor.types import Images, Threat

_LINEAR = frozenset({functional.linear, torch.matmul, torch.Tensor.matmul, torch.Tensor.__matmul__, torch.mm})
_ADDED = frozenset({torch.addmm, torch.Tensor.addmm})
_INNER = 24
ASKED = _INNER + 2
"""Passes that it takes to put an example near one sample."""
_SHRUNK = 0.95
"""Inner points lie within this share of the budget (Zimmermann et al., arXiv:2206.13991)."""
NO_FEATURES = "the model's last linear layer cannot be seen, so its head cannot be replaced"


class _Watch(TorchFunctionMode):
    """Remembers what went into the last linear layer that gave a score for each of `classes`."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.features: Tensor | None = None

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        answer = func(*args, **(kwargs or {}))
        at = 0 if func in _LINEAR else 1 if func in _ADDED else None
        if at is not None and answer.dim() == 2 and answer.shape[1] == self.classes and isinstance(args[at], Tensor):
            self.features = args[at]
        return answer


def features(network: Network, classes: int, inputs: Tensor) -> Tensor:
    """What goes into the network's last linear layer for `inputs`, `(N, D)`.

    Raises:
        UsageError: there is none that can be seen.
    """
    with _Watch(classes) as watch:
        network(inputs)
    seen: Tensor | None = watch.features
    if seen is None or len(seen) != len(inputs):
        raise UsageError(NO_FEATURES)
    return seen


@dataclass(frozen=True)
class _Readout:
    """A network of two classes: which side of a plane in the features of another one."""

    network: Network
    classes: int
    normal: Tensor
    offset: Tensor

    def __call__(self, inputs: Tensor) -> Tensor:
        score = features(self.network, self.classes, inputs) @ self.normal + self.offset
        return torch.stack([-score, score], 1)


def binarised(target: Target, x: Images, threat: Threat, generator: torch.Generator) -> Target | None:
    """The target with two classes around the sample `x`, `(1, …)`: 0 at the sample and at points within 0.95 of the
    budget, 1 at a point on its edge, with the border half-way. None where the features do not tell these apart.

    Raises:
        UsageError: the features cannot be seen.
    """
    assert target.twin is not None
    noise = 2.0 * torch.rand(_INNER + 1, *x.shape[1:], generator=generator).to(x) - 1.0
    inner = threat.project(x + _SHRUNK * threat.eps * noise[:-1], x.expand_as(noise[:-1]))
    inner = x + _SHRUNK * (inner - x)
    edge = threat.project(x + threat.eps * _drawn_out(noise[-1:], threat), x)
    with torch.no_grad():
        seen = features(target.twin, target.num_classes, target.inputs(torch.cat([edge, x, inner])))
    if not bool(seen.isfinite().all()):
        return None
    centre = seen[1:].mean(0)
    normal, values = _plane(seen.double() - centre.double())
    gap = values[0] - values[1:].max()
    if not bool(values.isfinite().all()) or float(gap) <= 1e-6:
        return None
    scale = 10.0 / gap
    offset = -(values[0] + values[1:].max()) / 2.0 - normal @ centre.double()
    readout = _Readout(target.twin, target.num_classes, (scale * normal).to(seen), (scale * offset).to(seen))
    return replace(
        target,
        deployed=readout,
        twin=readout,
        head=Head.LOGITS,
        twin_head=Head.LOGITS,
        num_classes=2,
        search=None,
    )


def _drawn_out(noise: Tensor, threat: Threat) -> Tensor:
    """A direction so far that its projection lies on the edge of the budget."""
    return noise.sign() if str(threat.norm) == "linf" else 1e3 * noise


def _plane(seen: Tensor) -> tuple[Tensor, Tensor]:
    """The direction, `(D,)`, that tells the first row of `(M, D)` from the others, and how far each row lies along it.

    Ridge regression onto 1 and -1: with more features than rows it tells them apart exactly.
    """
    wanted = -torch.ones(len(seen), dtype=seen.dtype, device=seen.device)
    wanted[0] = 1.0
    gram = seen @ seen.T
    ridge = 1e-6 * gram.diagonal().mean().clamp_min(1e-30)
    weights = torch.linalg.lstsq(gram + ridge * torch.eye(len(seen)).to(gram), wanted[:, None]).solution
    normal = (seen.T @ weights).squeeze(1)
    return normal, seen @ normal
