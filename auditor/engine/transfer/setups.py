"""What is tried: every attack within every budget, where a point that one model leads to means something on others."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from auditor.engine.batches import parameters
from auditor.engine.plan import Step, make_plan
from auditor.engine.threats import read_mask, threats_of
from auditor.engine.transfer.craft import unfit
from auditor.engine.transfer.noise import FLOORS
from auditor.errors import UsageError
from auditor.types import Goal, Norm

if TYPE_CHECKING:
    from auditor.attack import Attack
    from auditor.engine.transfer.contender import Contender
    from auditor.samples.base import Samples
    from auditor.settings import Settings
    from auditor.target.base import Target
    from auditor.types import Threat

# Plain descent is what others are held against; momentum, random sizes and smoothing carry further in as many steps.
DEFAULT: tuple[tuple[str, dict[str, Any]], ...] = (("pgd", {"steps": 10}), ("transfer", {"steps": 10, "neighbours": 0}))
# Gradients lead to all entries at once. This one asks, and its best point is what is tried on others.
SPARSE: tuple[str, dict[str, Any]] = ("sparse-rs", {"queries": 1000})


@dataclass(frozen=True)
class Setup:
    """One attack within one budget: what a matrix is about. `name` is what tables call it, unique within a budget."""

    threat: Threat
    name: str
    attack: Attack

    @property
    def title(self) -> str:
        """How a progress bar calls it."""
        return f"transfer of {self.name}, {self.threat}"

    @property
    def parameters(self) -> dict[str, Any]:
        """The hyper-parameters of the attack."""
        return parameters(Step(self.name, self.attack))

    @property
    def forwards(self) -> int:
        """Passes that crafting takes a sample, as far as the attack can tell."""
        passes = self.attack.passes(2)
        return passes.forwards if passes else 1


def attacks_of(settings: Settings, make: Callable[[str, Mapping[str, Any]], Attack]) -> tuple[Attack, ...]:
    """The attacks that are asked for, or those that are usual.

    Raises:
        UsageError: one is not installed, does not take its parameters, or makes no examples for others.
    """
    named = [(each.name, each.parameters) for each in settings.transfer_attacks]
    sparse = any(threat.norm is Norm.L0 for threat in settings.threats)
    usual = (*DEFAULT, SPARSE) if sparse else DEFAULT
    made = tuple(make(name, parameters) for name, parameters in named or usual)
    for attack in made:
        if why := unfit(attack):
            raise UsageError(f"--transfer-attack {attack.name} {why}; name one that searches within a budget.")
    return made


def setups_of(
    settings: Settings, attacks: Sequence[Attack], first: Contender, samples: Samples
) -> tuple[list[Setup], list[str]]:
    """All pairs of an attack and a threat that can be tried, and what is left out, a sentence each."""
    shape = samples.shape
    channels = shape[0] if len(shape) == 3 else 3
    mask = read_mask(settings.mask, shape)
    names = first.classes or samples.classes
    setups, left_out = [], []
    for threat in threats_of(settings, first.num_classes, names, mask, channels):
        fit = [attack for attack in attacks if threat.norm in attack.norms]
        if why := _obstacle(threat) or ("" if fit else "none of the transfer attacks works there"):
            left_out.append(f"{threat}: {why}.")
            continue
        counts: dict[str, int] = {}
        for attack in attacks:
            counts[attack.label] = count = counts.get(attack.label, 0) + 1
            name = attack.label if count == 1 else f"{attack.label}#{count}"
            if attack not in fit:
                if not settings.transfer_attacks and Norm.L0 in (threat.norm, *attack.norms):
                    continue  # Of those that are usual, others are for these norms.
                left_out.append(f"{threat}: {name} does not work there.")
            elif attack.images_only and len(shape) != 3:
                left_out.append(f"{threat}: {name} works on images only.")
            else:
                setups.append(Setup(threat, name, attack))
    return setups, left_out


def step_for(setup: Setup, target: Target, rank: int) -> Step:
    """The attack against one source; its `skip` or `broken` says why it cannot run there."""
    (step,) = make_plan([setup.attack], target, setup.threat, rank)
    return step


def _obstacle(threat: Threat) -> str:
    if math.isinf(threat.eps):
        return "examples for other models need a budget"
    if threat.norm not in FLOORS:
        return f"transfer is measured in {', '.join(FLOORS)}"
    if threat.goal is Goal.TARGETED and threat.target is None:
        return "every model finds another class the least likely, so no goal is shared"
    return ""
