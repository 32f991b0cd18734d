"""What a network's raw outputs are, and how to read them as logits."""

from __future__ import annotations

from enum import StrEnum

import torch
from torch import Tensor
from torch.nn import functional

TINY = 1e-30
"""Probabilities below this are read as this: float32 can hardly tell them apart, and their logarithm stays finite."""

_ROUNDING = 1e-5


class Head(StrEnum):
    """How a network answers: one score for each class, or one number for two classes.

    A network with a softmax or sigmoid at its end and its twin without that end have different heads, and
    `to_logits` gives the same for both. Labels are rows with a 1 for the class and 0 for the others.
    """

    LOGITS = "logits"
    PROBABILITIES = "probabilities"
    SOFTMAX_INPUT = "logits before a softmax"
    INDEPENDENT_PROBABILITIES = "independent probabilities"
    BINARY_LOGIT = "binary logit"
    BINARY_PROBABILITY = "binary probability"
    LABELS = "labels"

    @property
    def binary(self) -> bool:
        """Whether one number answers for two classes."""
        return self in (Head.BINARY_LOGIT, Head.BINARY_PROBABILITY)

    def to_logits(self, raw: Tensor) -> Tensor:
        """`(N, K)` logits whose softmax and whose order are the network's own; `(N, 2)` for the binary heads."""
        match self:
            case Head.LOGITS | Head.LABELS:
                return raw
            case Head.PROBABILITIES:
                return raw.clamp_min(TINY).log()
            case Head.SOFTMAX_INPUT:
                return raw.log_softmax(1)
            case Head.INDEPENDENT_PROBABILITIES:
                p = raw.double().clamp(TINY, 1.0 - 1e-16)
                return (p.log() - torch.log1p(-p)).float()
            case Head.BINARY_LOGIT:
                return torch.cat([functional.logsigmoid(-raw), functional.logsigmoid(raw)], 1)
            case Head.BINARY_PROBABILITY:
                p = raw.double().clamp(TINY, 1.0 - 1e-16)
                return torch.cat([torch.log1p(-p), p.log()], 1).float()

    @classmethod
    def measure(cls, raw: Tensor) -> Head:
        """The head that outputs `(N, K)` look like: probabilities lie in `[0, 1]` and sum to 1, to within 1e-5."""
        inside = bool(((raw >= -_ROUNDING) & (raw <= 1.0 + _ROUNDING)).all())
        if raw.shape[1] == 1:
            return cls.BINARY_PROBABILITY if inside else cls.BINARY_LOGIT
        sums_to_one = bool(((raw.double().sum(1) - 1.0).abs() <= _ROUNDING).all())
        return cls.PROBABILITIES if inside and sums_to_one else cls.LOGITS


def heads(ending: str, stripped: bool, raw: Tensor) -> tuple[Head, Head]:
    """Heads of the deployed network and of its twin.

    Args:
        ending: what the graph ends with (`softmax`, `sigmoid`, `log_softmax`, `logits`, `labels`); empty where unknown.
        stripped: whether the twin answers with what comes before that ending.
        raw: some answers `(N, K)` of the deployed network.
    """
    binary = raw.shape[1] == 1
    match ending:
        case "softmax" if not binary:
            deployed, before = Head.PROBABILITIES, Head.SOFTMAX_INPUT
        case "sigmoid" if binary:
            deployed, before = Head.BINARY_PROBABILITY, Head.BINARY_LOGIT
        case "sigmoid":
            deployed, before = Head.INDEPENDENT_PROBABILITIES, Head.LOGITS
        case "log_softmax":
            deployed, before = Head.LOGITS, Head.SOFTMAX_INPUT
        case "labels":
            deployed = before = Head.LABELS
        case _:
            deployed = before = Head.measure(raw)
    return deployed, before if stripped else deployed
