"""Gradients past steps that have none: backward pass differentiable approximation, Athalye et al., arXiv:1802.00420."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

_IDENTITY = ("round", "floor", "ceil", "trunc", "fix", "clamp", "clip")
_SOFTMAX = (torch.softmax, torch.Tensor.softmax, functional.softmax)
_STEPS: dict[Any, Callable[[Tensor], Tensor]] = {
    **{getattr(home, name): lambda x: x for name in _IDENTITY for home in (torch, torch.Tensor)},
    # A jump at 0, seen from near by as a slope.
    **{home.sign: lambda x: x.clamp(-1.0, 1.0) for home in (torch, torch.Tensor)},
}


def straight_through(exact: Callable[[Tensor], Tensor], smooth: Callable[[Tensor], Tensor] | None = None) -> Any:
    """A function that answers what `exact` does and has the gradient of `smooth`, by default that of the identity.

    For wrappers around a model that break its gradients: rounding, JPEG, a codebook.

    Args:
        exact: `(N, …)` to a tensor of the same shape; need not be differentiable.
        smooth: what it roughly is, differentiable, of the same shape.
    """

    def both(x: Tensor) -> Tensor:
        near = x if smooth is None else smooth(x)
        with torch.no_grad():
            truth = exact(x)
        # In this order the sum is the exact value, wherever that is a float of the same size.
        return truth + (near - near.detach())

    return both


class Through(TorchFunctionMode):
    """Within it, rounding, clipping and signs answer as ever and let gradients through as if they were not there.

    What a module calls is seen, and a twin of an ONNX file; the inside of TorchScript and exported programs is not.
    """

    def __init__(self) -> None:
        super().__init__()
        self._softmax: tuple[Tensor, Tensor] | None = None

    def before_softmax(self, raw: Tensor) -> Tensor | None:
        """What the last softmax was given, as logarithms of probabilities `(N, K)` that do not underflow, where its
        answer is the network's own, `raw`; else None."""
        if self._softmax is None:
            return None
        given, answer = self._softmax
        if answer.dim() != 2 or answer.shape != raw.shape or not torch.equal(answer.to(raw.dtype), raw):
            return None
        return given.float().log_softmax(1)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        answer = func(*args, **(kwargs or {}))
        if func in _SOFTMAX:
            self._softmax = args[0], answer.detach()
        smooth = _STEPS.get(func) if args and isinstance(args[0], Tensor) and args[0].requires_grad else None
        if smooth is None:
            return answer
        near = smooth(args[0])
        return answer.detach() + (near - near.detach())
