"""Networks that hide what they are: each decides as the one it is made of, and its gradients say otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Network = Callable[[Tensor], Tensor]


class _Changed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, change: Network) -> Tensor:
        ctx.change = change
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.change(gradient), None


def with_gradient(change: Network, network: Network) -> Network:
    """The network, with the gradient that `change` makes of its own."""

    def answer(x: Tensor) -> Tensor:
        return network(_Changed.apply(x, change))

    return answer


def reversed_gradient(network: Network) -> Network:
    """Its gradient has the wrong sign."""
    return with_gradient(torch.neg, network)


def without_gradient(network: Network) -> Network:
    """Its gradient is zero."""
    return with_gradient(torch.zeros_like, network)


def rounded(network: Network) -> Network:
    """It sees 17 levels of gray, as scanned digits have."""
    return lambda x: network(torch.round(16.0 * x) / 16.0)


def scaled(network: Network, factor: float = 1000.0) -> Network:
    """Its logits are so large that cross-entropy is zero."""
    return lambda x: factor * network(x)


def saturated(network: Network) -> Network:
    """Its probabilities are one and zeros."""
    return lambda x: (30.0 * network(x)).softmax(1)


def unmoved(x: Tensor) -> Tensor:
    """It answers the first of ten classes whatever it is asked."""
    return torch.eye(10)[0] + 0.0 * x.flatten(1).sum(1, keepdim=True)
