"""scikit-learn's digits, 8 x 8, small enough to train on in a test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from auditor.plugins import load_plugins
from auditor.samples.base import SampleOptions
from auditor.study.transfer import running as study
from auditor.study.transfer.networks import DEPTHS, HALVES
from auditor.study.transfer.record import Study
from auditor.study.transfer.running import Data, Running
from tests.cli.conftest import auditor

__all__ = ["auditor"]


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = load_digits()
    path = tmp_path_factory.mktemp("digits") / "digits.npz"
    x = (data.images[:450] * 255.0 / 16.0).round().astype(np.uint8)[:, None]
    np.savez(path, x=x, y=data.target[:450].astype(np.int64))
    return path


@pytest.fixture(scope="session")
def split(digits: Path) -> Data:
    return Data.split(load_plugins().load_samples(str(digits), SampleOptions()), attacked=40, seed=0)


def shortened(split: Data, seed: int = 0) -> Running:
    """The halves and two depths, trained in a few seconds."""
    import dataclasses

    lbfgs = load_plugins().attacks()["lbfgs"]
    running = Running(split, lambda searches, steps: lbfgs(searches=min(searches, 6), steps=min(steps, 10)), seed=seed)
    running.chosen = {
        "halves": [dataclasses.replace(recipe, steps=150) for recipe in HALVES],
        "depths": [dataclasses.replace(recipe, steps=40) for recipe in DEPTHS[:2]],
    }
    return running


@pytest.fixture(scope="session")
def found(split: Data) -> Study:
    assert study.MAGNIFIED == 0.1
    torch.manual_seed(7)  # What happens outside must not matter.
    return shortened(split).execute()
