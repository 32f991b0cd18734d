"""What a network's raw outputs are, and how to read them as logits."""

from __future__ import annotations

from enum import StrEnum

import torch
from torch import Tensor

_TINY = 1e-30


class Head(StrEnum):
    """How a network answers: `(N, K)` logits or probabilities, or one number for two classes."""

    LOGITS = "logits"
    PROBABILITIES = "probabilities"
    BINARY_LOGIT = "binary logit"
    BINARY_PROBABILITY = "binary probability"

    def to_logits(self, raw: Tensor) -> Tensor:
        """`(N, K)` logits whose softmax and whose order are the network's own; `(N, 2)` for the binary heads."""
        match self:
            case Head.LOGITS:
                return raw
            case Head.PROBABILITIES:
                return raw.clamp_min(_TINY).log()
            case Head.BINARY_LOGIT:
                return torch.cat([torch.zeros_like(raw), raw], 1)
            case Head.BINARY_PROBABILITY:
                p = raw.double().clamp(_TINY, 1.0 - 1e-16)
                return torch.cat([torch.log1p(-p), p.log()], 1).float()
