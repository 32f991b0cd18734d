"""Models come and go by the dozen here, each with a collection of what they leave behind."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def _collections_look_at_what_is_new_alone() -> Iterator[None]:
    """All that was there before is passed over, which is most of the time of a collection."""
    gc.freeze()
    yield
    gc.unfreeze()
