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
from auditor.parameters import Parameter, parameter, parameters_of
from auditor.types import Access, Norm
from auditor_attacks._bridges.quiet import muted, seed, seeded

if TYPE_CHECKING:
    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Logits, Threat


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


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """An attack of another library.

    Attributes:
        signature: what takes its parameters.
        given: those that the bridge sets itself.
        minimal: whether it looks for the smallest change.
        single: whether it must be run on one sample at a time, since its questions cannot be told apart otherwise.
    """

    name: str
    signature: Callable[..., Any]
    search: Search
    norms: frozenset[Norm]
    given: frozenset[str] = frozenset()
    access: Access = Access.GRADIENTS
    minimal: bool = False
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
    return None if kind is object else Parameter(name=one.name, type=kind, default=default, help="as the library says")


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
        said = {item.name: getattr(self, item.name) for item in parameters_of(type(self))}
        defaults = {item.name: item.default for item in parameters_of(type(self))}
        changed = {name: value for name, value in said.items() if value != defaults[name]}
        problem = Problem(model, x, y, threat, target.num_classes, number)
        return self.foreign.search(problem, changed).detach().to(x)


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
        [(item.name, item.type, parameter(item.default, help=item.help)) for item in each],
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
