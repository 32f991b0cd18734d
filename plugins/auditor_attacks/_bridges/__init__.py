"""Attacks of other libraries under our referee and our counters, made on demand from names such as `foolbox:LinfPGD`.

A library is a module here that says which of its attacks can be had, and how one is run. `base` does the rest.
"""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING

from auditor.errors import UsageError

if TYPE_CHECKING:
    from auditor.attack import Attack

# What a user writes, the distribution that brings it, and our extra.
LIBRARIES = {
    "foolbox": ("foolbox", "foolbox"),
    "torchattacks": ("torchattacks", "torchattacks"),
    "art": ("adversarial-robustness-toolbox", "art"),
    "adv_lib": ("adv-lib", "adv-lib"),
}


def find(name: str) -> type[Attack] | None:
    """The attack that `library:Name` means, or None where `name` begins with no library.

    Raises:
        UsageError: the library is not installed, or has no such attack, or none was named.
    """
    library, _, wanted = name.partition(":")
    if library not in LIBRARIES:
        return None
    from auditor_attacks._bridges.base import made
    from auditor_attacks._bridges.quiet import muted

    module = importlib.import_module(f"{__name__}.{library}")
    distribution, extra = LIBRARIES[library]
    try:
        with muted():
            known = module.names()
    except ImportError as error:
        raise UsageError(
            f"{name} needs {distribution}, which cannot be imported ({error}): pip install 'auditor[{extra}]'."
        ) from error
    if not wanted:
        raise UsageError(
            f"{library} is a library; write one of its attacks behind it, such as {library}:{known[0]}. "
            f"There are: {', '.join(known)}."
        )
    if wanted not in known:
        near = difflib.get_close_matches(wanted, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UsageError(
            f"{library} has no attack {wanted!r} that can be run here.{hint} There are: {', '.join(known)}."
        )
    return made(library, module.foreign(wanted))
