"""What every test starts from."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no failure, and the same commit meets the same examples in every run.
settings.register_profile("suite", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


@pytest.fixture(autouse=True)
def _the_same_draws_every_time() -> None:
    """A test that draws weights or pixels without a seed of its own meets the same ones in every run."""
    from auditor.rng import seed_torch

    seed_torch(0)
