"""Several sets of weights as one model: as a module and as an ONNX file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from auditor.errors import ModelError
from auditor.harden.ensemble import Ensemble, merge
from auditor.onnx import load_twin


def members(n: int = 3, scale: float = 1.0) -> tuple[nn.Module, list[dict[str, Tensor]]]:
    generator = torch.Generator().manual_seed(0)
    shapes = {"weight": (4, 6), "bias": (4,)}
    drawn = [{k: scale * torch.randn(s, generator=generator) for k, s in shapes.items()} for _ in range(n)]
    return nn.Linear(6, 4), drawn


def graph(weights: dict[str, Tensor], head: str | None, path: Path, outputs: int = 1) -> Path:
    nodes = [helper.make_node("Gemm", ["pixels", "weight", "bias"], ["z" if head else "scores"], transB=1)]
    if head:
        nodes.append(helper.make_node(head, ["z"], ["scores"]))
    names = ["scores", "z"][:outputs]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "classifier",
            [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 6])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 4]) for name in names],
            [numpy_helper.from_array(value.numpy(), name) for name, value in weights.items()],
        ),
        opset_imports=[helper.make_opsetid("", 13)],
        ir_version=8,
    )
    helper.set_model_props(model, {"classes": "a,b,c,d"})
    onnx.save(model, path)
    return path


def answer(path: Path, x: Tensor) -> Tensor:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return torch.from_numpy(np.asarray(session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]))


def test_an_ensemble_gives_the_mean_of_the_probabilities_and_leaves_the_module_as_it_was() -> None:
    module, drawn = members()
    before, x = module.weight.detach().clone(), torch.rand(5, 6)
    expected = torch.stack([nn.functional.linear(x, m["weight"], m["bias"]).softmax(1) for m in drawn]).mean(0)
    torch.testing.assert_close(Ensemble(module, drawn)(x).exp(), expected)
    assert torch.equal(module.weight, before)


@pytest.mark.parametrize("head", [None, "Softmax"])
def test_one_file_answers_as_the_module_does_in_its_deployed_form_and_as_a_twin(
    tmp_path: Path, head: str | None
) -> None:
    module, drawn = members()
    files = [graph(weights, head, tmp_path / f"{number}.onnx") for number, weights in enumerate(drawn)]
    merge(files, tmp_path / "all.onnx")
    x = torch.rand(5, 6)
    expected = Ensemble(module, drawn)(x).detach()
    expected = expected.exp() if head else expected
    torch.testing.assert_close(answer(tmp_path / "all.onnx", x), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(load_twin(tmp_path / "all.onnx")(x).detach(), expected, atol=1e-5, rtol=1e-5)


def test_input_output_opset_and_metadata_are_those_of_the_members(tmp_path: Path) -> None:
    _, drawn = members()
    files = [graph(weights, None, tmp_path / f"{number}.onnx") for number, weights in enumerate(drawn)]
    merge(files, tmp_path / "all.onnx")
    one, merged = onnx.load(files[0]), onnx.load(tmp_path / "all.onnx")
    assert list(merged.graph.input) == list(one.graph.input)
    assert list(merged.graph.output) == list(one.graph.output)
    assert list(merged.opset_import) == list(one.opset_import)
    assert list(merged.metadata_props) == list(one.metadata_props)


def test_members_that_are_certain_and_disagree_give_finite_logits(tmp_path: Path) -> None:
    _, drawn = members(2, scale=200.0)
    files = [graph(weights, None, tmp_path / f"{number}.onnx") for number, weights in enumerate(drawn)]
    merge(files, tmp_path / "all.onnx")
    assert answer(tmp_path / "all.onnx", torch.rand(20, 6)).isfinite().all()


def test_a_graph_with_two_outputs_is_refused(tmp_path: Path) -> None:
    _, drawn = members(1)
    with pytest.raises(ModelError, match="one output; this one has scores, z"):
        merge([graph(drawn[0], "Softmax", tmp_path / "two.onnx", outputs=2)], tmp_path / "all.onnx")
