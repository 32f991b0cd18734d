"""Other people's code as a guest: its output swallowed, its randomness dealt by us, the global state put back."""

from __future__ import annotations

import contextlib
import io
import logging
import random
import warnings
from collections.abc import Iterator

import numpy as np
import torch


@contextlib.contextmanager
def muted() -> Iterator[None]:
    """What is printed, warned or logged in here is lost."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            with contextlib.redirect_stderr(io.StringIO()):
                yield
    finally:
        logging.disable(before)


@contextlib.contextmanager
def seeded(device: torch.device) -> Iterator[None]:
    """The global generators may be seeded in here; afterwards they are as they were."""
    python, numbers = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numbers)


def seed(number: int) -> None:
    """Seed every global generator."""
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)
