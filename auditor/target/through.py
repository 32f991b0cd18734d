"""Gradients past steps that have none: backward pass differentiable approximation, Athalye et al., arXiv:1802.00420."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

_aten = torch.ops.aten
_IDENTITY = ("round", "floor", "ceil", "trunc", "fix", "clamp", "clip")
_SOFTMAX = (torch.softmax, torch.Tensor.softmax, functional.softmax, _aten._softmax.default)
_STEPS: dict[Any, Callable[[Tensor], Tensor]] = {
    **{getattr(home, name): lambda x: x for name in _IDENTITY for home in (torch, torch.Tensor)},
    **{getattr(_aten, name).default: lambda x: x for name in ("round", "floor", "ceil", "trunc", "clamp")},
    # A jump at 0, seen from near by as a slope.
    **{sign: lambda x: x.clamp(-1.0, 1.0) for sign in (torch.sign, torch.Tensor.sign, _aten.sign.default)},
}
_ABOVE, _BELOW = (
    {
        *(getattr(home, name) for name in names for home in (torch, torch.Tensor)),
        *(getattr(getattr(_aten, name), kind) for name in names for kind in ("Tensor", "Scalar")),
    }
    for names in (("gt", "ge"), ("lt", "le"))
)
_LARGEST = (torch.argmax, torch.Tensor.argmax)
_CAST = (
    *(getattr(torch.Tensor, name) for name in ("float", "double", "half", "to", "type")),
    _aten._to_copy.default,
)


class Past(IntEnum):
    """What gradients pass on their way through a network, as if it were not there; each more than the one before.

    Attributes:
        NOTHING: gradients are those that the network hands out.
        STEPS: rounding, clipping, signs, comparisons and choices of the largest.
        BACKWARDS: also what a network says of its own gradients, by backward passes of its own, hooks and detached
            tensors; see `Operations`.
    """

    NOTHING = 0
    STEPS = 1
    BACKWARDS = 2


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

    So do comparisons, by the gap between the two sides, and choices of the largest, by their softmax, where what they
    answer is read as numbers. What a module calls is seen, and a twin of an ONNX file; the inside of TorchScript and
    exported programs is not.
    """

    def __init__(self) -> None:
        super().__init__()
        self._softmax: tuple[Tensor, Tensor] | None = None
        # Answers that are no numbers yet, with what they roughly are; kept, so that no other tensor takes their id.
        self._choices: dict[int, tuple[Tensor, Tensor]] = {}

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
        near = self._near(func, args, kwargs or {})
        if near is None:
            return answer
        if not answer.is_floating_point():
            self._choices[id(answer)] = answer, near
            return answer
        if near.shape != answer.shape:
            return answer
        return answer.detach() + (near - near.detach()).to(answer.dtype)

    def _near(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor | None:
        """What the answer roughly is, with a gradient; None where the answer has one itself, or cannot have any."""
        first = args[0] if args and isinstance(args[0], Tensor) else None
        if first is None:
            return None
        if func in _CAST or func is functional.one_hot:
            return self._choices.get(id(first), (first, None))[1]
        if not any(isinstance(arg, Tensor) and arg.requires_grad for arg in args[:2]):
            return None
        if func in _STEPS:
            return _STEPS[func](first)
        if func in _ABOVE or func in _BELOW:
            gap: Tensor = first - args[1]
            return gap if func in _ABOVE else -gap
        return _shares(first, *args[1:], **kwargs) if func in _LARGEST else None


def _shares(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor | None:
    """How nearly each place is the largest, the places last; as a choice is spelt out by `one_hot`."""
    return None if dim is None or keepdim else x.softmax(dim).movedim(dim, -1)
