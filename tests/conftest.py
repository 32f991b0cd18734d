"""What every test starts from."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _the_same_draws_every_time() -> None:
    """A test that draws weights or pixels without a seed of its own meets the same ones in every run."""
    import torch

    torch.manual_seed(0)
