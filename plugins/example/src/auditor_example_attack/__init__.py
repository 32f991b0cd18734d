"""An example of a third-party plugin: two attacks, `contrast` and `polish`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor import hookimpl

if TYPE_CHECKING:
    from auditor import Attack


@hookimpl
def auditor_attacks() -> list[type[Attack]]:
    """The attacks of this package; imported here, so that listing plugins does not import torch."""
    from auditor_example_attack.contrast import Contrast
    from auditor_example_attack.polish import Polish

    return [Contrast, Polish]
