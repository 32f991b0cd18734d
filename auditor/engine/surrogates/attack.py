"""Examples made on surrogates, as an attack on the target: it is asked once about each."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.attack import Attack, Passes
from auditor.engine.attempt import Ring
from auditor.engine.transfer.craft import craft
from auditor.engine.transfer.ensemble import together
from auditor.engine.view import OutOfTime
from auditor.errors import PluginError
from auditor.norms import per_sample
from auditor.parameters import parameter, parameters_of
from auditor.target.base import Target
from auditor.types import Access, Norm

if TYPE_CHECKING:
    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat


def called(attack: Attack) -> str:
    """An attack with the parameters in which it is not as by default, as a flag names it."""
    own = {each.name: getattr(attack, each.name) for each in parameters_of(type(attack))}
    usual = {each.name: each.default for each in parameters_of(type(attack))}
    return f"{attack.name}:{','.join(f'{name}={value}' for name, value in own.items() if value != usual[name])}"


@dataclass(frozen=True, kw_only=True)
class FromSurrogates(Attack):
    """Makes examples on other models, to the last step, and tries them on the target.

    Finds: what the target has in common with its surrogates.
    Blind to: the rest; a model is no safer for what fails to transfer.
    Cost: one forward pass through the target; those of the attack that is used, through each surrogate.
    """

    name: ClassVar[str] = "surrogate"
    norms: ClassVar[frozenset[Norm]] = frozenset(Norm)
    access: ClassVar[Access] = Access.TRANSFER

    surrogate: str = parameter("", help="what the examples are made on")
    attack: str = parameter("", help="with which attack")
    made_with: Attack | None = field(default=None, repr=False, compare=False)
    members: Sequence[Target] = field(default=(), repr=False, compare=False)
    left_out: str = ""
    broken: str = ""

    @property
    def label(self) -> str:
        return f"surrogate:{self.surrogate}"

    @property
    def usable(self) -> bool:
        """Whether there is something to make examples on, and with."""
        return self.made_with is not None and not self.left_out and not self.broken

    def longer(self) -> FromSurrogates:
        """The same with twice the steps or queries on the surrogates, where it is usable."""
        made = self.made_with
        if made is None:
            return self
        effort = next(name for name in ("steps", "queries") if hasattr(made, name))
        made = replace(made, **{effort: 2 * getattr(made, effort)})
        return replace(self, made_with=made, attack=called(made))

    def passes(self, num_classes: int) -> Passes | None:
        each = self.made_with.passes(num_classes) if self.made_with else None
        if each is None:
            return None
        count = len(self.members)
        return Passes(forwards=count * each.forwards + 1, backwards=count * each.backwards)

    def unfit(self, num_classes: int) -> str | None:
        return self.left_out or None

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        if self.broken or self.made_with is None:
            raise PluginError(self.broken)
        ledger, count = target.ledger, len(self.members)
        source = self.members[0] if count == 1 else together(self.members, self.surrogate)
        ring = Ring(
            target=source,
            threat=threat,
            seed=0,
            margin=0.0,
            draws=source.draws,
            deadline=ledger.deadline,
            on_call=ledger.on_call,
        )
        with ExitStack() as stack:
            for member in self.members:
                stack.enter_context(member.frozen())
            # Numbers of each sample's own in place of its position: what it is dealt depends on nothing else.
            made = craft(ring, self.made_with, ledger.x, ledger.aims, rng.integers(2**31))
        ledger.count_elsewhere(count * made.forwards, count * made.backwards)
        if made.status == "timed out":
            raise OutOfTime
        if made.status != "ran":
            raise PluginError(f"{self.made_with.name}, on {self.surrogate}: {made.reason}")
        sound = per_sample(made.sound, made.points)
        return torch.where(sound, made.points, x.cpu()).to(x)
