from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from auditor.check import Severity
from auditor.engine.scene import Scene
from auditor.loaders.torch_module import frozen
from auditor_checks.mode import EvalMode
from tests.checks.conftest import Trained
from tests.checks.scenes import found, scene_of, target_of


class Stubborn(nn.Sequential):
    """Ignores the mode that it is asked for."""

    def train(self, mode: bool = True) -> Stubborn:
        return self


def _layers() -> list[nn.Module]:
    return [nn.Flatten(), nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 10)]


def test_nothing_is_said_of_models_at_rest(honest: Scene) -> None:
    assert not found(EvalMode, honest)


def test_a_model_that_was_left_in_training_mode_is_put_to_rest_and_passes(gray: Trained) -> None:
    module = nn.Sequential(*_layers()).train()
    target = target_of(lambda z: module(z), frozen_mode=partial(frozen, module))
    assert not found(EvalMode, scene_of(module, gray.x, gray.y, target=target))
    assert module.training


def test_layers_that_ignore_eval_mode_are_named(gray: Trained) -> None:
    norm, dropout = found(EvalMode, scene_of(Stubborn(*_layers()), gray.x, gray.y))
    assert (norm.severity, dropout.severity) == (Severity.BLOCK, Severity.WARN)
    assert norm.detail.startswith("2 is ")
    assert dropout.detail.startswith("4 is ")


def test_a_module_is_found_inside_the_function_that_calls_it(gray: Trained) -> None:
    module = Stubborn(*_layers())
    assert len(found(EvalMode, scene_of(module, gray.x, gray.y, target=target_of(lambda z: module(z))))) == 2
    assert len(found(EvalMode, scene_of(module, gray.x, gray.y, target=target_of(module.forward)))) == 2
    assert len(found(EvalMode, scene_of(module, gray.x, gray.y, target=target_of(partial(module))))) == 2


def test_batch_norm_without_running_statistics_judges_by_the_batch_in_eval_mode_too(gray: Trained) -> None:
    module = nn.Sequential(nn.BatchNorm2d(1, track_running_stats=False), nn.Flatten(), nn.Linear(64, 10)).eval()
    (finding,) = found(EvalMode, scene_of(module, gray.x, gray.y))
    assert finding.severity is Severity.BLOCK


@pytest.mark.parametrize("layer", [nn.InstanceNorm2d(1), nn.GroupNorm(1, 1)])
def test_layers_that_normalise_each_sample_by_itself_pass(gray: Trained, layer: nn.Module) -> None:
    module = nn.Sequential(layer, nn.Flatten(), nn.Linear(64, 10)).eval()
    assert not found(EvalMode, scene_of(module, gray.x, gray.y))


def test_nothing_is_changed_by_looking(gray: Trained) -> None:
    module = nn.Sequential(*_layers()).eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    found(EvalMode, scene_of(module, gray.x, gray.y))
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
