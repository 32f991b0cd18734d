"""Where examples from surrogates stand in the plan, and with which attack they are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from auditor.engine.plan import Part
from auditor.engine.surrogates.attack import FromSurrogates
from auditor.types import Norm

if TYPE_CHECKING:
    from auditor.attack import Attack
    from auditor.engine.surrogates.surrogate import Surrogate
    from auditor.types import Threat

ENSEMBLE = "ensemble"

# What was measured: docs/benchmarks-transfer.md.
_IMAGES: dict[Norm, tuple[str, dict[str, Any]]] = {
    Norm.LINF: ("transfer", {"loss": "margin"}),
    Norm.L2: ("transfer", {"loss": "margin"}),
    Norm.PATCH: ("patch-pgd", {"steps": 60, "places": 4}),
    Norm.FLOW: ("stadv", {"steps": 50, "smoothness": 0.0}),
    Norm.SPATIAL: ("spatial-pgd", {"steps": 20, "restarts": 2}),
}
_ANY: dict[Norm, tuple[str, dict[str, Any]]] = {
    Norm.LINF: ("mifgsm", {"loss": "margin", "steps": 20}),
    Norm.L2: ("mifgsm", {"loss": "margin", "steps": 20}),
    Norm.L1: ("apgd", {"loss": "margin", "steps": 50}),
    Norm.L0: ("sparse-rs", {"queries": 1000}),
}


def recipe(threat: Threat, rank: int) -> tuple[str, dict[str, Any]] | None:
    """The attack that examples for another model are made with, on samples of `rank` dimensions; None where none
    is."""
    return (_IMAGES.get(threat.norm) if rank == 3 else None) or _ANY.get(threat.norm)


def attacks_from(
    surrogates: Sequence[Surrogate], threat: Threat, rank: int, make: Callable[[str, Mapping[str, Any]], Attack]
) -> Iterator[FromSurrogates]:
    """Each surrogate by itself, and those that can be used all at once."""
    chosen = recipe(threat, rank)
    attack, said = None, f"no attack makes examples for other models in {threat.norm}"
    if threat.norm is Norm.CORRUPTION:
        said = "corruptions are the same for every model, and all of them are tried on the model itself"
    if chosen is not None:
        attack, said = make(*chosen), f"{chosen[0]}:{','.join(f'{key}={value}' for key, value in chosen[1].items())}"
    for each in surrogates:
        record = each.record
        yield FromSurrogates(
            surrogate=record.name,
            attack=said if attack else "",
            made_with=attack,
            members=() if each.target is None else (each.target,),
            left_out="" if each.broken else record.left_out or ("" if attack else said),
            broken=record.left_out if each.broken else "",
        )
    usable = [each.target for each in surrogates if each.target is not None]
    if attack and len(usable) > 1:
        yield FromSurrogates(surrogate=ENSEMBLE, attack=said, made_with=attack, members=usable)


def with_surrogates(parts: Sequence[Part], more: Sequence[Attack], *, gradients: bool) -> tuple[Part, ...]:
    """The plan with the attacks `more`. Where nothing follows the target's gradients they come first, and queries start
    from where they led; else when every kind of attack of the plan has had its turn, on what is left."""
    at = 0
    if gradients:
        kinds = [(part.attack.name, getattr(part.attack, "loss", "")) for part in parts]
        at = max((i + 1 for i, kind in enumerate(kinds) if kind not in kinds[:i]), default=0)
    return (*parts[:at], *map(Part, more), *parts[at:])
