"""Norms and deviations of what is zero: black images and equal points have finite gradients, as in PyTorch."""

from __future__ import annotations

import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx.helper import make_node
from torch import Tensor, nn

from auditor.onnx import load_twin
from auditor.onnx.graph import parse_graph
from auditor.onnx.program import Program


class Normalised(nn.Module):
    """Pixels as a unit vector."""

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x.flatten(1), dim=1)


@pytest.mark.parametrize("dynamo", [False, True])
def test_a_black_image_through_normalize_has_the_gradient_of_torch(dynamo, tmp_path) -> None:
    x = torch.zeros(2, 1, 2, 2)
    x[1] = 0.5
    torch.onnx.export(Normalised(), (x,), tmp_path / "n.onnx", dynamo=dynamo, opset_version=18, verbose=False)
    gradients = []
    for model in (Normalised(), load_twin(tmp_path / "n.onnx")):
        leaf = x.clone().requires_grad_()
        gradients.append(torch.autograd.grad(model(leaf)[:, 0].sum(), leaf)[0])
    torch.testing.assert_close(gradients[1], gradients[0])


NODES = {
    "ReduceL2": {"axes": [2, 3]},
    "LpPool": {"kernel_shape": [2, 2]},
    "LpPool of order 3": {"kernel_shape": [2, 2], "p": 3},
    "GlobalLpPool": {},
    "GlobalLpPool of order 3": {"p": 3},
    "MeanVarianceNormalization": {},
}


@pytest.mark.parametrize("name", NODES)
def test_zeros_have_a_finite_gradient_and_leave_that_of_others_alone(name, make_model, onnx_runtime) -> None:
    model = make_model([make_node(name.split()[0], ["x"], ["y"], **NODES[name])], (2, 1, 4, 4), opset=13)
    twin = load_twin(model, strip_head=False)
    x = torch.zeros(2, 1, 4, 4)
    x[1] = torch.rand(4, 4, generator=torch.Generator().manual_seed(0)) + 0.1
    assert torch.autograd.gradcheck(twin, x[1:].double().requires_grad_())
    if name == "MeanVarianceNormalization":  # of all samples together; ONNX Runtime itself divides zero by zero
        assert twin(x * 0).eq(0).all()
        x[1] = 0
    else:
        torch.testing.assert_close(twin(x).numpy(), onnx_runtime(model, x), rtol=1e-5, atol=1e-6)
    x.requires_grad_()
    assert torch.autograd.grad(twin(x).sum(), x)[0].isfinite().all()


def test_equal_points_have_a_finite_gradient_of_their_distance() -> None:
    node = make_node("CDist", ["a", "b"], ["y"], domain="com.microsoft", metric="euclidean")
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in "aby"]
    imports = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("com.microsoft", 1)]
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", values[:2], values[2:]), opset_imports=imports)
    a, b = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True), torch.tensor([[1.0, 2.0]])
    (y,) = Program(parse_graph(model))([a, b])
    torch.testing.assert_close(y, torch.cdist(a, b))
    torch.testing.assert_close(*(torch.autograd.grad(d.sum(), a)[0] for d in (y, torch.cdist(a, b))))
