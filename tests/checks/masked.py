"""Networks that hide what they are: each decides as the one it is made of, and its gradients say otherwise."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from auditor.selftest.masks import backwards

Network = Callable[[Tensor], Tensor]


def with_gradient(change: Network, network: Network) -> Network:
    """The network, with the gradient that `change` makes of its own."""

    changed = backwards(change)
    return lambda x: network(changed(x))


def reversed_gradient(network: Network) -> Network:
    """Its gradient has the wrong sign."""
    return with_gradient(torch.neg, network)


def without_gradient(network: Network) -> Network:
    """Its gradient is zero."""
    return with_gradient(torch.zeros_like, network)


def unrecorded(network: Network) -> Network:
    """Its gradient is zero, and as Python decides by what a tensor holds, nobody can tell its operations apart."""
    zero = without_gradient(network)
    return lambda x: zero(x) if bool(x.detach().isfinite().all()) else x.flatten(1)


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
