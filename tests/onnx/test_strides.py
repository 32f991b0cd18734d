"""On a CPU what convolutions take and answer lies pixel by pixel in memory, gradients too; numbers stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from auditor.onnx import load_twin
from auditor.onnx.strides import before_flattening, lay, pixel_by_pixel
from auditor.onnx.twin import Twin
from tests.onnx.test_networks import export


def _images(channels: int = 3) -> Tensor:
    return torch.rand(2, channels, 8, 8, generator=torch.Generator().manual_seed(0))


def _last(x: Tensor) -> bool:
    return x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


def _network(channels: int) -> nn.Module:
    torch.manual_seed(0)
    convolutions = nn.Conv2d(channels, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 6, 3, padding=1), nn.ReLU()
    return nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(96, 5)).eval().requires_grad_(False)


def _twin(module: nn.Module, x: Tensor, folder: Path) -> Twin:
    path = folder / "net.onnx"
    export(module, x, path, dynamo=True, dynamic=True)
    return load_twin(path)


@pytest.mark.parametrize("channels", [1, 3])
def test_answers_and_gradients_are_those_of_the_module(channels: int, tmp_path: Path) -> None:
    module, x = _network(channels), _images(channels).requires_grad_(True)
    twin = _twin(module, x.detach(), tmp_path)
    flow = torch.randn(2, 5, generator=torch.Generator().manual_seed(1))
    found, expected = (torch.autograd.grad(net(x), x, flow)[0] for net in (twin, module))
    assert torch.allclose(found, expected, atol=1e-6)


class _Rectifiers(TorchFunctionMode):
    """Whether what rectifiers are given, and the gradients of what they answer, lie channels last."""

    def __init__(self) -> None:
        super().__init__()
        self.values: list[bool] = []
        self.flows: list[bool] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        answer = func(*args, **(kwargs or {}))
        if func is torch.relu:
            self.values.append(_last(args[0]))
            # Where it enters the operation, behind what has been hung on the tensor.
            answer.grad_fn.register_prehook(lambda flows: self.flows.append(_last(flows[0])))
        return answer


@pytest.mark.parametrize("channels", [1, 3])
def test_every_rectifier_meets_values_and_gradients_that_lie_channels_last(channels: int, tmp_path: Path) -> None:
    x = _images(channels)
    twin = _twin(_network(channels), x, tmp_path)
    leaf = x.clone().requires_grad_(True)
    with _Rectifiers() as seen:
        answer = twin(leaf)
    torch.autograd.grad(answer.sum(), leaf)
    assert seen.values == seen.flows == [True, True]


def test_weights_lie_channels_last_and_keep_their_numbers() -> None:
    module = _network(3)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    lay(module)
    assert _last(module[0].weight)
    assert _last(module[2].weight)
    assert all(torch.equal(before[key], value) for key, value in module.state_dict().items())


def test_weights_elsewhere_than_on_a_cpu_lie_channel_by_channel() -> None:
    module = nn.Conv2d(3, 4, 3, device="meta").to(memory_format=torch.channels_last)
    lay(module)
    assert module.weight.is_contiguous()


def test_elsewhere_than_on_a_cpu_images_stay_as_they_are() -> None:
    x = torch.rand(2, 3, 4, 5, device="meta")
    assert pixel_by_pixel(x) is x


def test_what_is_no_image_is_flattened_as_it_is() -> None:
    for shape in ((2, 3), (2, 3, 4), (2, 3, 4, 5, 6)):
        x = torch.rand(shape, requires_grad=True)
        assert before_flattening(x) is x
        assert not x._backward_hooks


def test_a_gradient_from_behind_flattening_lies_as_the_values_before_it_do() -> None:
    leaf = pixel_by_pixel(_images()).requires_grad_(True)
    middle = leaf * 2.0
    weight = torch.rand(192, generator=torch.Generator().manual_seed(2))
    flattened = before_flattening(middle).flatten(1)
    flows: list[Tensor] = []
    middle.register_hook(flows.append)  # type: ignore[no-untyped-call]
    (flattened @ weight).sum().backward()  # type: ignore[no-untyped-call]
    assert _last(flows[0])
    assert leaf.grad is not None
    assert torch.equal(leaf.grad, 2.0 * weight.view(1, 3, 8, 8).expand(2, -1, -1, -1))


def test_transforms_of_torch_func_run_as_ever(tmp_path: Path) -> None:
    module, x = _network(3), _images()
    twin = _twin(module, x, tmp_path)

    def loss(image: Tensor) -> Tensor:
        return functional.softplus(twin(image[None])).sum()

    found = torch.func.vmap(torch.func.grad(loss))(x)
    leaf = x.clone().requires_grad_(True)
    (expected,) = torch.autograd.grad(functional.softplus(module(leaf)).sum(), leaf)
    assert torch.allclose(found, expected, atol=1e-6)
