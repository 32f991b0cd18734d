"""Models trained once, and scenes in which everything is as it should be."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from torch import Tensor, nn

from auditor.engine.scene import Scene
from tests.checks.scenes import digits, scene_of, tinted, trained


@dataclass(frozen=True)
class Trained:
    """A trained network, and samples that it has not seen."""

    network: nn.Sequential
    x: Tensor
    y: Tensor

    @property
    def scene(self) -> Scene:
        """A fresh scene around both, wired as it should be."""
        return scene_of(self.network, self.x, self.y)


@pytest.fixture(scope="session")
def gray() -> Trained:
    """Reads gray digits."""
    x, y, other, labels = digits()
    return Trained(trained(x, y), other, labels)


@pytest.fixture(scope="session")
def colour() -> Trained:
    """Reads tinted digits: the colour is half of the class."""
    x, y, other, labels = digits(512)
    return Trained(trained(*tinted(x, y)), *tinted(other, labels))


@pytest.fixture(params=["gray", "colour"])
def honest(request: pytest.FixtureRequest) -> Scene:
    """Scenes in which nothing is wrong; every check has to stay silent on them, or only inform."""
    model: Trained = request.getfixturevalue(request.param)
    return model.scene
