"""What bridges share: a module around the view, and attack classes whose parameters are those of a library's attack."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import torch
from torch import Tensor, nn

from auditor.attack import Attack
from auditor.errors import UsageError
from auditor.parameters import Parameter, parameter, parameters_of
from auditor.types import Access, Norm, Threat
from auditor_attacks._bridges.quiet import muted, seed, seeded

if TYPE_CHECKING:
    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Logits


@dataclass(frozen=True)
class Problem:
    """What a library is given: the model as a module, samples with labels, the threat, and a seed."""

    model: nn.Module
    x: Images
    y: Labels
    threat: Threat
    num_classes: int
    seed: int


Search: TypeAlias = Callable[[Problem, dict[str, Any]], Tensor]
"""Runs an attack with parameters, as keyword arguments; returns candidates `(N, …)`."""

Build: TypeAlias = Callable[[Problem, dict[str, Any]], Any]
"""Makes the object that runs it."""

# Names of what an attack does at least once.
_COUNTS = re.compile(r"(^|_)(steps|n_iter|max_iter|iters?|iterations|n_queries|pixels)$")


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """An attack of another library.

    Attributes:
        signature: what takes its parameters.
        given: those that the bridge sets itself.
        minimal: whether it looks for the smallest change.
        build: makes the library's attack of parameters, where it is an object; raises what speaks against them.
        single: whether it must be run on one sample at a time, since its questions cannot be told apart otherwise.
    """

    name: str
    signature: Callable[..., Any]
    search: Search
    norms: frozenset[Norm]
    given: frozenset[str] = frozenset()
    access: Access = Access.GRADIENTS
    minimal: bool = False
    build: Build | None = None
    single: bool = False

    def parameters(self) -> list[Parameter]:
        """The parameters that a user may set: numbers, texts and switches that the bridge does not set."""
        known = (_parameter(one) for one in inspect.signature(self.signature).parameters.values())
        return [one for one in known if one is not None and one.name not in self.given]


def _parameter(one: inspect.Parameter) -> Parameter | None:
    """What a library's parameter is to a user; None for those that take more than a number, a text or a switch."""
    default = None if one.default is inspect.Parameter.empty else one.default
    said = str(one.annotation).lower()
    if isinstance(default, (bool, int, float, str)):
        kind: type = float if type(default) is int and "float" in said else type(default)
    elif default is None and not re.search(r"tuple|list|dict|array|tensor", said):
        kind = next((kind for kind in (float, int, str) if kind.__name__ in said), object)
    else:
        kind = object
    if kind is object:
        return None
    low, high = _bounds(one.name, default)
    return Parameter(name=one.name, type=kind, default=default, help="as the library says", low=low, high=high)


def _bounds(name: str, default: Any) -> tuple[float | None, float | None]:
    """Libraries run with steps below zero, or without any, and find nothing; few of them complain."""
    if isinstance(default, bool | str) or (default is not None and default < 0):
        return None, None
    if _COUNTS.search(name):
        return 1, None
    return (None if default is None else 0), (1 if "prob" in name else None)


class Fell(Exception):
    """The one sample that is being attacked has fallen."""


class Asked(nn.Module):
    """The target as a library wants it. What it is asked goes through the view, which counts, judges and remembers."""

    def __init__(self, view: View, x: Images, *, single: bool) -> None:
        super().__init__()
        self._view, self._x, self._single = view, x, single
        # Libraries ask the first parameter for the device.
        self._device = nn.Parameter(x.new_zeros(()), requires_grad=False)
        self.eval()

    def forward(self, x: Tensor) -> Logits:
        if self._single and not bool(self._view.active.any()):
            raise Fell
        points = x.to(self._x.dtype)
        return self._view.answers(points, self._rows(points.detach()))

    def _rows(self, points: Tensor) -> Tensor:
        """Whose candidates these are: in order where there is one for each sample, else those nearest to them."""
        if len(points) == len(self._x):
            return torch.arange(len(points), device=points.device)
        return torch.cdist(points.flatten(1), self._x.flatten(1)).argmin(1)


@dataclass(frozen=True, kw_only=True)
class Bridge(Attack):
    """An attack of another library, run as that library has it.

    Finds: what that library's attack finds.
    Blind to: what it is blind to; see its own documentation.
    Cost: as many passes as it takes, all of them counted.
    """

    foreign: ClassVar[Foreign]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.foreign.build is None or not (said := self._said()):
            return
        trial = _trial(self.foreign)
        try:
            with muted(), seeded(torch.device("cpu")):
                self.foreign.build(trial, said)
        except Exception as error:  # whatever the library has against its parameters
            raise UsageError(self._refusal(error)) from error

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        seeds = rng.fork("library").integers(1 << 31).tolist()
        with muted(), seeded(x.device), torch.enable_grad():
            if not self.foreign.single:
                return self._searched(target, x, y, threat, seeds[0])
            found = x.clone()
            for row in range(len(x)):
                one = slice(row, row + 1)
                part = target.select(torch.tensor([row], device=x.device))
                try:
                    found[one] = self._searched(part, x[one], y[one], threat, seeds[row])
                except Fell:
                    continue
            return found

    def _searched(self, target: View, x: Images, y: Labels, threat: Threat, number: int) -> Images:
        seed(number)
        model = Asked(target, x, single=self.foreign.single)
        problem = Problem(model, x, y, threat, target.num_classes, number)
        said = self._said()
        try:
            return self.foreign.search(problem, said).detach().to(x)
        except (ValueError, KeyError, AssertionError, NotImplementedError, ZeroDivisionError) as error:
            if not said:
                raise
            raise UsageError(self._refusal(error)) from error

    def _said(self) -> dict[str, Any]:
        """The parameters that are not as the library has them."""
        said = {item.name: (getattr(self, item.name), item.default) for item in parameters_of(type(self))}
        return {name: value for name, (value, default) in said.items() if value != default}

    def _refusal(self, error: Exception) -> str:
        said = ", ".join(f"{name}={value}" for name, value in self._said().items())
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return (
            f"{self.name} does not run with {said} ({reason.rstrip('.')}); "
            f"`auditor explain {self.name}` lists what it takes."
        )


def _trial(foreign: Foreign) -> Problem:
    """A problem on which nothing is ever searched."""
    x, model = torch.zeros(1, 3, 8, 8), nn.Sequential(nn.Flatten(), nn.Linear(192, 10))
    return Problem(model, x, torch.zeros(1, dtype=torch.int64), Threat(norm=min(foreign.norms), eps=0.1), 10, 0)


def made(library: str, foreign: Foreign) -> type[Attack]:
    """The attack class for an attack of a library."""
    name = f"{library}:{foreign.name}"
    each = foreign.parameters()
    doc = f"""{foreign.name} of {library}, run as that library has it, under our counters and our referee.

    Finds: what {library} finds with it.
    Blind to: what its documentation says; nothing of it is changed here.
    Cost: as many passes as it takes, all of them counted.
    """
    return dataclasses.make_dataclass(
        foreign.name,
        [
            (item.name, item.type, parameter(item.default, help=item.help, low=item.low, high=item.high))
            for item in each
        ],
        bases=(Bridge,),
        namespace={
            "name": name,
            "norms": foreign.norms,
            "access": foreign.access,
            "minimal": foreign.minimal,
            "foreign": foreign,
            "__doc__": doc,
            "__module__": __name__,
        },
        frozen=True,
        kw_only=True,
    )


def scaled(signature: Callable[..., Any], eps: float, of: str, steps: tuple[str, ...]) -> dict[str, float]:
    """Step sizes that a library states in pixels, in the same proportion to `eps` as its own defaults."""
    known: Mapping[str, inspect.Parameter] = inspect.signature(signature).parameters
    return {name: known[name].default * eps / known[of].default for name in steps if name in known and of in known}
