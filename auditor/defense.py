"""What a defense is: a plugin that makes a model harder to fool."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from auditor.parameters import check_parameters

if TYPE_CHECKING:
    from torch import nn

    from auditor.rng import Rng
    from auditor.samples.base import Samples
    from auditor.types import Threat


@dataclass(frozen=True, kw_only=True)
class Defense(ABC):
    """A training recipe or a wrapper; its fields are hyper-parameters, declared as an attack's are."""

    name: ClassVar[str]
    paper: ClassVar[str] = ""

    def __post_init__(self) -> None:
        check_parameters(self)

    @abstractmethod
    def fit(self, model: nn.Module, samples: Samples, threat: Threat, rng: Rng) -> nn.Module:
        """A hardened form of `model` (which maps `(N, …)` in `[0, 1]` to logits `(N, K)`), made with `samples`."""
