from __future__ import annotations

import sys

import torch
from torch import Tensor, nn
from torch.autograd import grad

from auditor.check import Severity
from auditor.engine.scene import Scene
from auditor_checks.dynamic import DynamicModel
from tests.checks.conftest import Trained
from tests.checks.scenes import found, scene_of


def test_nothing_is_said_of_models_that_only_compute(honest: Scene) -> None:
    before = sys.getprofile()
    assert not found(DynamicModel, honest)
    assert sys.getprofile() is before


def test_a_method_that_is_merely_called_step_is_no_optimiser(gray: Trained) -> None:
    class Recurrent(nn.Module):
        def step(self, z: Tensor) -> Tensor:
            return gray.network(z)

        def forward(self, z: Tensor) -> Tensor:
            return self.step(z)

    assert not found(DynamicModel, scene_of(Recurrent(), gray.x, gray.y))


def test_purification_by_gradients_is_seen_even_under_another_name(gray: Trained) -> None:
    def network(z: Tensor) -> Tensor:
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            (slope,) = grad(gray.network(z).logsumexp(1).sum(), z)
        return gray.network(z.detach() + 0.01 * slope.sign())

    (finding,) = found(DynamicModel, scene_of(network, gray.x, gray.y))
    assert finding.severity is Severity.INCONCLUSIVE
    assert "torch.autograd.grad" in finding.detail


def test_adapting_weights_to_the_sample_is_seen(gray: Trained) -> None:
    def network(z: Tensor) -> Tensor:
        with torch.enable_grad():
            shift = torch.zeros_like(z, requires_grad=True)
            optimiser = torch.optim.SGD([shift], 0.01)
            gray.network(z + shift).logsumexp(1).sum().backward()
            optimiser.step()
        return gray.network(z + shift.detach())

    (finding,) = found(DynamicModel, scene_of(network, gray.x, gray.y))
    assert "SGD.step" in finding.detail
    assert "backward" in finding.detail
