"""What people do to a module, done to a twin: memory formats, precisions, compilation, placement.

Compilation is lowered to plain kernels: the C++ compiler that inductor adds is PyTorch's business and takes a minute.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounter

from auditor.onnx import load_twin
from auditor.onnx.twin import Twin
from tests.onnx.test_networks import export, gradient, trained_like

Load = Callable[[], Twin]


def _residual() -> nn.Module:
    blocks = torchvision.models.resnet.BasicBlock(3, 3), nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU()
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 10))


def _transformer() -> nn.Module:
    return torchvision.models.VisionTransformer(32, 8, 1, 2, 16, 32, num_classes=10)


@pytest.fixture(scope="module", params=[_residual, _transformer])
def load(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Load:
    path: Path = tmp_path_factory.mktemp("modes") / "net.onnx"
    export(trained_like(request.param), torch.rand(2, 3, 32, 32), path, dynamo=True, dynamic=True)
    return lambda: load_twin(path)


@pytest.fixture
def x() -> Tensor:
    return torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def direction() -> Tensor:
    return torch.randn(3, 10, generator=torch.Generator().manual_seed(2))


def close(found: Tensor, expected: Tensor, tolerance: float) -> bool:
    return bool((found - expected).norm() <= tolerance * expected.norm())


def test_channels_last_changes_neither_answers_nor_gradients(load: Load, x: Tensor, direction: Tensor) -> None:
    twin, last = load(), load().to(memory_format=torch.channels_last)
    assert any(w.dim() == 4 and w.stride(1) == 1 for w in last.parameters() if w.dim() == 4 and min(w.shape[1:]) > 1)
    arranged = x.contiguous(memory_format=torch.channels_last)
    assert close(last(arranged), twin(x), 1e-5)
    assert close(gradient(last, arranged, direction), gradient(twin, x, direction), 1e-4)


def test_autocast_computes_in_bfloat16(load: Load, x: Tensor, direction: Tensor) -> None:
    twin = load()
    expected = twin(x)
    with torch.autocast("cpu", torch.bfloat16):
        y = twin(x)
    assert y.dtype is torch.bfloat16
    assert close(y.float(), expected, 0.05)
    assert not torch.equal(y.float(), expected)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-5), (torch.bfloat16, 0.05)])
def test_a_twin_runs_in_another_precision(load: Load, x: Tensor, dtype: torch.dtype, tolerance: float) -> None:
    expected, y = load()(x), load().to(dtype)(x.to(dtype))
    assert y.dtype is dtype
    assert close(y.to(expected.dtype), expected, tolerance)


def test_a_twin_compiles_without_a_break_once_its_plan_is_made(load: Load, x: Tensor, direction: Tensor) -> None:
    twin = load()
    expected = twin(x)
    compiled = torch.compile(twin, fullgraph=True, backend="aot_eager")
    assert close(compiled(x), expected, 1e-6)
    assert close(gradient(compiled, x, direction), gradient(twin, x, direction), 1e-5)


def test_planning_is_not_compiled(load: Load, x: Tensor) -> None:
    counter = CompileCounter()
    compiled = torch.compile(load(), backend=counter)
    first = compiled(x)
    assert counter.frame_count == 0
    assert torch.equal(compiled(x), first)
    assert counter.frame_count == 1


def test_a_plan_made_in_one_precision_serves_no_other(load: Load, x: Tensor) -> None:
    twin = load()
    first = twin(x)
    twin.double()(x.double())
    assert torch.equal(twin.float()(x), first)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_twin_moves_to_the_gpu(load: Load, x: Tensor) -> None:
    twin = load()
    expected = twin(x)
    moved = twin.to("cuda")(x.to("cuda"))
    assert moved.is_cuda
    assert close(moved.cpu(), expected, 1e-3)
