"""Graphs with several inputs: which gets the samples, and what the others are fed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import Tensor

from auditor.errors import ModelError, UsageError
from auditor.loaders import auditor_load_model
from auditor.target.base import ModelOptions, Target
from auditor.target.binding import bind_to
from tests.target.onnx_files import Dims, write

CPU = torch.device("cpu")
FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
X = torch.rand(6, 4, generator=torch.Generator().manual_seed(0))
BIAS = torch.tensor([0.5, -1.0, 2.0, 0.25])


def bound(path: Path, **options: object) -> Target:
    target = auditor_load_model(str(path), ModelOptions(**options), CPU)  # type: ignore[arg-type]
    assert target is not None
    bind_to(target, X)
    return target


def scaled_sum(path: Path, *, samples: Dims = ("n", 4), state: Dims = ("n", 4), first: bool = True) -> Path:
    """`samples * scale + state`, where `scale` is a single whole number."""
    nodes = [
        helper.make_node("Cast", ["scale"], ["s"], to=FLOAT),
        helper.make_node("Mul", ["samples", "s"], ["product"]),
        helper.make_node("Add", ["product", "state"], ["y"]),
    ]
    inputs = {"samples": (FLOAT, samples), "state": (FLOAT, state), "scale": (INT64, ())}
    ordered = dict(inputs.items() if first else reversed(inputs.items()))
    return write(path, nodes, ordered, {"y": (FLOAT, None)})


def assert_answers(target: Target, expected: Tensor) -> None:
    """The deployed model and the twin give these scores for batches of every size, and the twin has gradients."""
    for n in (1, 2, 5, 6):
        assert torch.allclose(target.answer(X[:n]), expected[:n], atol=1e-6)
        leaf = X[:n].clone().requires_grad_()
        scores = target.differentiable(leaf)
        assert torch.allclose(scores, expected[:n], atol=1e-6)
        (gradient,) = torch.autograd.grad(scores.sum(), leaf)
        assert (gradient != 0).all()


@pytest.mark.parametrize("first", [True, False])
def test_samples_go_where_the_user_says_and_numbers_fill_the_other_inputs(tmp_path: Path, first: bool) -> None:
    path = scaled_sum(tmp_path / "m.onnx", first=first)
    target = bound(path, input="samples", constants={"state": 0.5, "scale": 3.0})
    assert_answers(target, 3 * X + 0.5)
    assert target.details["input_name"] == "samples"
    assert target.details["constants"] == {"state": 0.5, "scale": 3.0}
    assert_answers(bound(path, input="state", constants={"samples": 2.0, "scale": 3.0}), X + 6)


def test_an_input_without_a_constant_gets_the_samples_if_it_is_the_only_one(tmp_path: Path) -> None:
    path = scaled_sum(tmp_path / "m.onnx")
    assert_answers(bound(path, constants={"state": 0.0, "scale": 2.0}), 2 * X)


def test_the_only_tensor_of_floats_gets_the_samples(tmp_path: Path) -> None:
    nodes = [helper.make_node("Cast", ["scale"], ["s"], to=FLOAT), helper.make_node("Mul", ["x", "s"], ["y"])]
    inputs = {"scale": (INT64, ()), "x": (FLOAT, (None, 4))}
    path = write(tmp_path / "m.onnx", nodes, inputs, {"y": (FLOAT, (None, 4))})
    with pytest.raises(ModelError, match=r"also needs scale \(int64\[\]\); .*--constant scale=VALUE"):
        bound(path)
    assert_answers(bound(path, constants={"scale": 2.0}), 2 * X)


def test_where_several_inputs_could_be_meant_all_are_listed_with_the_flags(tmp_path: Path) -> None:
    path = scaled_sum(tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=r"3 inputs: samples \(float\[n, 4\]\), .* --input NAME .* --constant NAME"):
        bound(path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"input": "sample"}, "no input 'sample'; it has samples"),
        ({"input": "samples", "constants": {"samples": 1.0}}, "both the samples and a constant"),
        ({"input": "samples", "constants": {"scales": 1.0}}, "names 'scales', and the model has no such input"),
        ({"input": "samples", "constants": {"scale": 0.5, "state": 0.0}}, "int64.* cannot hold"),
        ({"input": "samples", "constants": {"scale": float("nan"), "state": 0.0}}, "int64.* cannot hold"),
        ({"input": "samples", "constants": {"scale": 1.0, "state": "nowhere.npy"}}, "nowhere.npy cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(tmp_path: Path, options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        bound(scaled_sum(tmp_path / "m.onnx"), **options)


@pytest.mark.parametrize("shape", [(1, 4), (4,)])
def test_an_array_is_repeated_for_every_sample(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "state.npy", BIAS.reshape(shape).numpy())
    constants = {"state": str(tmp_path / "state.npy"), "scale": 2.0}
    assert_answers(bound(scaled_sum(tmp_path / "m.onnx"), input="samples", constants=constants), 2 * X + BIAS)


def test_the_content_of_an_array_is_part_of_the_models_digest(tmp_path: Path) -> None:
    path, file, digests = scaled_sum(tmp_path / "m.onnx"), tmp_path / "state.npy", set()
    for value in (0.0, 1.0, 0.0):
        np.save(file, np.full((1, 4), value))
        digests.add(bound(path, input="samples", constants={"state": str(file), "scale": 2.0}).sha256)
    assert len(digests) == 2


@pytest.mark.parametrize("shape", [(3, 4), (1, 5), (1, 1, 4), (6, 4)])
def test_an_array_of_another_shape_is_refused_with_both(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "state.npy", np.zeros(shape, np.float32))
    constants = {"state": str(tmp_path / "state.npy"), "scale": 2.0}
    with pytest.raises(ModelError, match=rf"state \(float\[n, 4\]\) has the shape {'x'.join(map(str, shape))};"):
        bound(scaled_sum(tmp_path / "m.onnx"), input="samples", constants=constants)


def test_a_pickle_in_a_file_of_values_is_not_opened(tmp_path: Path) -> None:
    np.save(tmp_path / "state.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "state.npz", np.zeros(4))
    (tmp_path / "state.txt").write_text("1 2 3 4")
    path = scaled_sum(tmp_path / "m.onnx")
    for name, words in (("npy", "no .npy file of numbers"), ("npz", "is an archive"), ("txt", "no .npy file")):
        with pytest.raises(UsageError, match=words):
            bound(path, input="samples", constants={"state": str(tmp_path / f"state.{name}"), "scale": 1.0})


def test_a_batch_baked_into_all_inputs_is_looped_over_and_mapped_over_in_the_twin(tmp_path: Path) -> None:
    np.save(tmp_path / "state.npy", np.stack([BIAS.numpy(), -BIAS.numpy()]))
    path = scaled_sum(tmp_path / "m.onnx", samples=(2, 4), state=(2, 4))
    target = bound(path, input="samples", constants={"state": str(tmp_path / "state.npy"), "scale": 2.0})
    assert target.batching == "loop; twin vmap"
    signs = torch.tensor([1.0, -1.0]).repeat(3)[:, None]
    assert_answers(target, 2 * X + signs * BIAS)


def test_axes_of_a_constant_are_as_long_as_those_of_the_samples_with_the_same_name(tmp_path: Path) -> None:
    """As in a recurrent cell: the state is `(layers, batch, features)`, the mask `(batch, time)`."""
    nodes = [
        helper.make_node("Cast", ["mask"], ["kept"], to=FLOAT),
        helper.make_node("Mul", ["x", "kept"], ["masked"]),
        helper.make_node("ReduceSum", ["state", "axis"], ["start"], keepdims=0),
        helper.make_node("Concat", ["masked", "start"], ["y"], axis=1),
    ]
    inputs = {"x": (FLOAT, (None, None)), "mask": (BOOL, (None, None)), "state": (FLOAT, (2, None, 3))}
    constants = {"axis": np.array([0])}
    path = write(tmp_path / "m.onnx", nodes, inputs, {"y": (FLOAT, None)}, constants)
    renamed = write_names(path, {"mask0": "x0", "mask1": "x1", "state1": "x0"})
    target = bound(renamed, input="x", constants={"mask": 1.0, "state": 0.5})
    assert target.batching == "native"
    assert torch.allclose(target.answer(X), torch.cat([X, torch.ones(6, 3)], 1))
    assert torch.equal(target.differentiable(X), target.answer(X))


def write_names(path: Path, names: dict[str, str]) -> Path:
    """The file, with axes of the same name where `names` says so."""
    model = onnx.load(path)
    for value in model.graph.input:
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in names:
                dim.dim_param = names[dim.dim_param]
    onnx.save(model, path)
    return path


def test_an_input_that_gets_a_constant_may_have_any_name(tmp_path: Path) -> None:
    nodes = [helper.make_node("Mul", ["first", "x"], ["y"])]
    inputs = {"first": (FLOAT, ("n", 4)), "x": (FLOAT, ("n", 4))}
    path = write(tmp_path / "m.onnx", nodes, inputs, {"y": (FLOAT, None)})
    assert_answers(bound(path, constants={"x": 2.0}), 2 * X)


def test_the_only_free_axis_of_a_constant_is_the_batch_where_no_name_says_so(tmp_path: Path) -> None:
    path = scaled_sum(tmp_path / "m.onnx", state=(None, 4))
    target = bound(path, input="samples", constants={"state": 0.5, "scale": 3.0})
    assert target.batching == "native"
    assert_answers(target, 3 * X + 0.5)


def test_a_number_cannot_fill_a_shape_that_nothing_tells(tmp_path: Path) -> None:
    path = scaled_sum(tmp_path / "m.onnx", state=(None, None))
    with pytest.raises(ModelError, match=r"cannot fill state .*; give an \.npy file"):
        bound(path, input="samples", constants={"state": 0.0, "scale": 1.0})
