"""The border between training and what recipes and additions do, which may be anybody's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from auditor.border import foreign, said
from auditor.errors import ModelError, PluginError, RunError, UsageError

if TYPE_CHECKING:
    from auditor.defense import Defense


@contextmanager
def at_work(*parts: Defense | type[Defense]) -> Iterator[None]:
    """Inside, a recipe and its additions are at work. Memory, other processes and what the user said are no failure of
    theirs.

    Raises:
        PluginError: they raised, asked to leave the process, or did not keep their contract.
    """
    import torch

    try:
        with foreign():
            yield
    except (torch.OutOfMemoryError, ModelError, RunError, UsageError):
        raise
    except Exception as error:  # a plugin border
        name = "+".join(part.name for part in parts)
        raise PluginError(f"The recipe {name!r} broke: {said(error)}. Leave it out, or tell its authors.") from error
