"""What an attack is: a frozen keyword-only dataclass whose fields are its hyper-parameters, and one method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from auditor.parameters import check_parameters
from auditor.types import Access, Norm

if TYPE_CHECKING:
    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat


@dataclass(frozen=True)
class Passes:
    """Samples through the model, forward and backward, that one sample costs if it withstands to the end."""

    forwards: int
    backwards: int = 0


@dataclass(frozen=True, kw_only=True)
class Attack(ABC):
    """Searches for an adversarial example inside a threat.

    A plugin sets the class variables, declares its hyper-parameters with `auditor.parameter`, and writes `perturb`.
    The engine owns the rest: batching, devices, eval mode, counting passes, keeping the best example seen on the
    way, dropping samples already broken, clipping, time limits, and deciding what is a success. An attack that
    raises, runs out of time or returns NaN is "not evaluated", never "robust".

    The class docstring's first line says what the attack does to the model, then `Finds:`, `Blind to:`, `Cost:`.
    """

    name: ClassVar[str]
    paper: ClassVar[str] = ""
    norms: ClassVar[frozenset[Norm]]
    access: ClassVar[Access]
    stage: ClassVar[str] = "stable"
    """`preview` while it is not proven: it runs where it is named, and what it alone breaks never gates."""
    minimal: ClassVar[bool] = False
    """True where it looks for the smallest change that succeeds, and can do so without a budget."""
    images_only: ClassVar[bool] = False
    """True where `perturb` needs `(N, C, H, W)`; otherwise any `(N, …)` is attacked."""

    def __post_init__(self) -> None:
        check_parameters(self)

    @property
    def label(self) -> str:
        """Name of this configuration in tables, e.g. `apgd-dlr`; the plugin's name unless overridden."""
        return self.name

    def passes(self, num_classes: int) -> Passes | None:
        """What one sample that withstands costs, for forecasts; None where the attack cannot tell."""
        return None

    def unfit(self, num_classes: int) -> str | None:
        """Why this configuration cannot run against a model with so many classes, as a sentence; None if it can."""
        return None

    @abstractmethod
    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        """Candidates for adversarial examples.

        Args:
            target: the model, as far as `access` lets an attack see it.
            x: `(N, …)` clean samples in `[0, 1]`; must not be changed in place.
            y: `(N,)` labels, all of which the model predicts correctly at `x`.
            threat: norm, radius and goal.
            rng: one stream of random numbers per sample; the only source of randomness allowed.

        Returns:
            `(N, …)` candidates. The engine clips them to the threat and judges them; it also remembers every
            adversarial example that passed through `target` on the way, so nothing found is ever lost.
        """
