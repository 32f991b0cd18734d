from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from auditor.check import Severity, Stage
from auditor.engine.preflight import inspect
from auditor.engine.scene import Scene
from auditor.loaders.onnx import load
from auditor.onnx import registry
from auditor.onnx.node import Node
from auditor.onnx.registry import Kernel, Operator
from auditor.target.base import ModelOptions
from auditor.target.binding import bind_to
from auditor.target.notices import sums_overflow
from auditor_checks.finite import FiniteAnswers
from auditor_checks.twin import TwinAgreement
from tests.checks.conftest import Trained
from tests.checks.scenes import found, scene_of, target_of


def test_nothing_is_said_of_models_that_are_their_own_twin(honest: Scene) -> None:
    assert not found(TwinAgreement, honest)


def test_nothing_is_said_of_a_twin_that_differs_by_rounding(gray: Trained) -> None:
    target = target_of(gray.network, twin=lambda z: gray.network(z.double().float() + 1e-7), gradients="twin")
    assert not found(TwinAgreement, scene_of(gray.network, gray.x, gray.y, target=target))


def test_nothing_is_said_without_a_twin(gray: Trained) -> None:
    target = target_of(gray.network, twin=None, gradients="none")
    assert not found(TwinAgreement, scene_of(gray.network, gray.x, gray.y, target=target))


def test_a_twin_that_computes_something_else_warns(gray: Trained) -> None:
    target = target_of(gray.network, twin=lambda z: gray.network(z.clamp(max=0.9)), gradients="twin")
    (finding,) = found(TwinAgreement, scene_of(gray.network, gray.x, gray.y, target=target))
    assert finding.severity is Severity.WARN
    assert "report the file's operators" in finding.remedy


def test_where_the_processor_is_to_blame_no_operator_is(gray: Trained) -> None:
    target = target_of(gray.network, twin=lambda z: gray.network(z.clamp(max=0.9)), gradients="twin")
    target.findings.append(sums_overflow(1, 2))
    (finding,) = found(TwinAgreement, scene_of(gray.network, gray.x, gray.y, target=target))
    assert "reduce_range=True" in finding.remedy
    assert "operators" not in finding.remedy


def test_a_twin_is_not_blamed_for_answers_that_are_no_numbers(gray: Trained) -> None:
    def network(z: Tensor) -> Tensor:
        return gray.network(z) * z.flatten(1).sum(1, keepdim=True).where(z[:, 0, :1, 3] > 0.5, torch.nan)

    target = target_of(network, twin=lambda z: network(z) * 1.0, gradients="twin")
    scene = scene_of(network, gray.x, gray.y, target=target)
    assert [finding.code for finding in inspect([TwinAgreement, FiniteAnswers], scene, Stage.PREFLIGHT)] == ["AUD117"]


def said_of_a_file_whose_relu_is(kernel: Kernel, gray: Trained, folder: Path, patch: pytest.MonkeyPatch) -> str:
    def build(node: Node) -> Kernel:
        return kernel

    file = folder / "m.onnx"
    axes = {"x": {0: "n"}}
    torch.onnx.export(gray.network, (gray.x[:1],), file, dynamo=False, input_names=["x"], dynamic_axes=axes)
    patch.setitem(registry._REGISTRY, ("", "Relu"), [Operator("Relu", "", 1, build)])
    target = load(str(file), ModelOptions(), torch.device("cpu"))
    assert target is not None
    bind_to(target, gray.x)
    scene = scene_of(gray.network, gray.x, gray.y, target=target)
    (finding,) = inspect([TwinAgreement], scene, Stage.PREFLIGHT)
    assert finding.code == "AUD114"
    return finding.detail


def test_the_first_node_that_differs_is_named(gray: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detail = said_of_a_file_whose_relu_is(lambda x: x.clamp(0.2), gray, tmp_path, monkeypatch)
    assert "the two differ by up to" in detail
    assert "The first node that differs is" in detail
    assert "(Relu): its inputs agree" in detail


def test_where_only_a_gradient_is_wrong_no_node_is_named(
    gray: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def relu(x: Tensor) -> Tensor:
        return x.relu().detach() + 0.5 * (x.relu() - x.relu().detach())

    detail = said_of_a_file_whose_relu_is(relu, gray, tmp_path, monkeypatch)
    assert "the two answer alike" in detail
    assert "0.500 times the slopes" in detail
    assert "Node by node the two compute the same values" in detail
