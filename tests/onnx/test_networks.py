"""Networks as both PyTorch exporters write them: outputs against ONNX Runtime, gradients against the module.

The whole matrix of architectures is docs/onnx-matrix.md; here stand the smallest that differ in kind.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn

from auditor.onnx import load_twin
from auditor.onnx.twin import Twin

Make = Callable[[], nn.Module]

NETWORKS: dict[str, tuple[Make, tuple[int, ...]]] = {
    "mobilenet_v3": (
        lambda: torchvision.models.MobileNetV3(
            [
                torchvision.models.mobilenetv3.InvertedResidualConfig(*block, 1.0)
                for block in (
                    (8, 3, 8, 8, True, "RE", 2, 1),
                    (8, 3, 24, 8, False, "RE", 1, 1),
                    (8, 5, 24, 16, True, "HS", 1, 2),
                )
            ],
            last_channel=32,
            num_classes=10,
        ),
        (3, 32, 32),
    ),
    "squeezenet1_1": (lambda: torchvision.models.squeezenet1_1(), (3, 64, 64)),
    "resnet": (
        lambda: torchvision.models.ResNet(torchvision.models.resnet.BasicBlock, [1, 1, 1, 1], 10),
        (3, 64, 64),
    ),
    "vision_transformer": (
        lambda: torchvision.models.VisionTransformer(32, 8, 2, 4, 32, 64, num_classes=10),
        (3, 32, 32),
    ),
    "swin_transformer": (
        lambda: torchvision.models.SwinTransformer([4, 4], 16, [1, 2], [2, 4], [4, 4], num_classes=10),
        (3, 64, 64),
    ),
    "convnext": (
        lambda: torchvision.models.ConvNeXt(
            [
                torchvision.models.convnext.CNBlockConfig(16, 32, 1),
                torchvision.models.convnext.CNBlockConfig(32, None, 1),
            ],
            num_classes=10,
        ),
        (3, 32, 32),
    ),
    "mlp": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.GELU(), nn.Linear(32, 10)),
        (1, 8, 8),
    ),
}


def trained_like(make: Make) -> nn.Module:
    """The module in eval mode, its weights and statistics spread out so that no part of it is inert."""
    torch.manual_seed(0)
    module = make().eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
    for weight in module.parameters():
        weight.data.add_(torch.randn_like(weight) * 0.05)
    return module


def export(module: nn.Module, x: Tensor, path: Path, *, dynamo: bool, dynamic: bool) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # both exporters warn about themselves
        if dynamo:
            shapes = ({0: torch.export.Dim("batch", min=1, max=64)},) if dynamic else None
            torch.onnx.export(module, (x,), path, dynamo=True, dynamic_shapes=shapes, verbose=False)
        else:
            axes = {"x": {0: "batch"}} if dynamic else None
            torch.onnx.export(module, (x,), path, dynamo=False, input_names=["x"], dynamic_axes=axes)
    return path


def gradient(function: Callable[[Tensor], Tensor], x: Tensor, direction: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    (found,) = torch.autograd.grad((function(x) * direction).sum(), x)
    return found


@pytest.fixture(
    scope="module",
    params=[(name, dynamo, dynamic) for name in NETWORKS for dynamo, dynamic in ((True, False), (False, True))],
    ids=lambda p: f"{p[0]}-{'dynamo' if p[1] else 'torchscript'}-{'any' if p[2] else 'fixed'} batch",
)
def network(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[nn.Module, Twin, Path, Tensor, bool]:
    name, dynamo, dynamic = request.param
    make, shape = NETWORKS[name]
    module = trained_like(make)
    x = torch.rand(3 if dynamic else 1, *shape, generator=torch.Generator().manual_seed(1))
    # The exporter specialises on the size that it sees; a batch of two stands for any.
    sample = x[:2] if dynamic else x
    path = export(module, sample, tmp_path_factory.mktemp("net") / "net.onnx", dynamo=dynamo, dynamic=dynamic)
    # Only now: the older exporter fails on the fast path that attention takes where no gradient is asked for.
    return module.requires_grad_(False), load_twin(path), path, x, dynamic


def test_outputs_agree_with_onnx_runtime(network, onnx_runtime) -> None:
    _, twin, path, x, _ = network
    expected = onnx_runtime(str(path), x)
    assert np.abs(twin(x).numpy() - expected).max() <= 1e-5 * max(1, np.abs(expected).max())


def test_input_gradients_agree_with_the_module(network) -> None:
    module, twin, _, x, _ = network
    direction = torch.randn(module(x).shape, generator=torch.Generator().manual_seed(2))
    expected = gradient(module, x, direction)
    assert expected.norm() > 0
    assert (gradient(twin, x, direction) - expected).norm() <= 1e-4 * expected.norm()


def test_vmap_over_single_samples_is_a_batch(network) -> None:
    module, twin, _, x, _ = network
    batch = torch.cat([x, x.flip(-1), 1 - x])[:3]
    mapped = torch.vmap(lambda sample: twin(sample.unsqueeze(0)).squeeze(0))
    direction = torch.randn(module(batch).shape, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(mapped(batch), module(batch), rtol=1e-4, atol=1e-5)
    expected = gradient(module, batch, direction)
    assert (gradient(mapped, batch, direction) - expected).norm() <= 1e-4 * expected.norm()


def test_the_declared_shape_says_whether_the_batch_is_fixed(network) -> None:
    _, twin, _, x, dynamic = network
    assert twin.input_shape == (None if dynamic else 1, *x.shape[1:])
