"""What an extraction is: a plugin that trains a substitute for a model from the model's answers alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from auditor.parameters import check_parameters, parameter

if TYPE_CHECKING:
    from torch import Tensor, nn

    from auditor.types import Images


class Oracle(Protocol):
    """The target as an extraction sees it: it can be asked so many questions, and no more."""

    @property
    def num_classes(self) -> int:
        """Classes that it tells apart."""

    @property
    def left(self) -> int:
        """Questions that may still be asked."""

    def ask(self, x: Images) -> Tensor:
        """A distribution over the classes for each of `(N, …)` samples in `[0, 1]`, `(N, K)`; costs N questions.

        Where `answers` is `labels`, all of it lies on the class that the target names.

        Raises:
            PluginError: so many questions are not left.
        """

    def check_time(self) -> None:
        """To be called now and then in long training. Raises an error, to be let pass, when the time is up."""


@dataclass(frozen=True, kw_only=True)
class Extraction(ABC):
    """Trains a network that answers as the target does, so that attacks that need gradients can be made on it.

    A plugin sets the class variables, declares its hyper-parameters with `auditor.parameter`, and writes `network` and
    `train`. Both are called with torch's generators seeded, so what they draw is drawn again at the next run. The
    engine counts the questions, keeps the trained weights with the run, and measures how often the substitute answers
    as the target does on samples that it never saw.
    """

    name: ClassVar[str]
    paper: ClassVar[str] = ""

    queries: int = parameter(5000, help="questions that the target is asked", low=1)
    seeds: int = parameter(100, help="samples that the attacker begins with", low=1)
    start: str = parameter(
        "samples", help="what they are: at most half of the audited samples, or noise", choices=("samples", "noise")
    )
    answers: str = parameter("labels", help="what the target answers with", choices=("labels", "scores"))

    def __post_init__(self) -> None:
        check_parameters(self)

    @abstractmethod
    def network(self, shape: tuple[int, ...], num_classes: int) -> nn.Module:
        """A fresh network from samples `(N, *shape)` in `[0, 1]` to logits `(N, num_classes)`."""

    @abstractmethod
    def train(self, network: nn.Module, oracle: Oracle, x: Images) -> None:
        """Make `network`, in place, answer as the oracle does.

        Args:
            network: as `network` made it, on the device of `x`.
            x: `(n, …)` samples that the attacker has; asking about them costs questions, as asking about any others.
        """
