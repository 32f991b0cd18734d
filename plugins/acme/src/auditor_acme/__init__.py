"""Our plugins, as auditor finds them; what is heavy is imported when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor import hookimpl

if TYPE_CHECKING:
    import torch

    from auditor import Attack, Check, Defense, Format, ModelOptions, Target


@hookimpl
def auditor_attacks() -> list[type[Attack]]:
    from auditor_acme.bars import Bars

    return [Bars]


@hookimpl
def auditor_defenses() -> list[type[Defense]]:
    from auditor_acme.median import Median

    return [Median]


@hookimpl
def auditor_checks() -> list[type[Check]]:
    from auditor_acme.noise import MoreNoise

    return [MoreNoise]


@hookimpl
def auditor_formats() -> list[Format]:
    from auditor_acme.tap import Tap

    return [Tap()]


@hookimpl
def auditor_load_model(path: str, options: ModelOptions, device: torch.device) -> Target | None:
    """Model files of LIBLINEAR; None for anything else."""
    from auditor_acme.liblinear import load

    return load(path, options, device)
