"""First-party attacks, offered through the same door as anyone's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.hookspecs import hookimpl

if TYPE_CHECKING:
    from auditor.attack import Attack


@hookimpl
def auditor_attacks() -> list[type[Attack]]:
    """Every attack of this package, in the order of rising cost."""
    from auditor_attacks.apgd import APGD
    from auditor_attacks.fgsm import FGSM
    from auditor_attacks.noise import Noise
    from auditor_attacks.pgd import PGD
    from auditor_attacks.square import Square

    return [Noise, FGSM, PGD, APGD, Square]
