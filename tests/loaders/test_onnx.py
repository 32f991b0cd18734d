"""ONNX files, from the file to bound answers and gradients."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from auditor.check import Severity
from auditor.errors import AuditorError, DataError, ModelError, UsageError
from auditor.loaders import auditor_load_model
from auditor.onnx import load_twin
from auditor.onnx.registry import _REGISTRY
from auditor.target import notices
from auditor.target.agreement import agreement
from auditor.target.base import ModelOptions, Target
from auditor.target.binding import bind_to
from auditor.target.head import Head
from tests.target.onnx_files import Linear, linear, write

CPU = torch.device("cpu")
X = torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(0))
COLOUR = torch.rand(6, 3, 4, 4, generator=torch.Generator().manual_seed(1))
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def load(path: Path, **options: object) -> Target:
    target = auditor_load_model(str(path), ModelOptions(**options), CPU)  # type: ignore[arg-type]
    assert target is not None
    return target


def bound(path: Path, x: Tensor = X, **options: object) -> Target:
    target = load(path, **options)
    bind_to(target, x)
    return target


def assert_answers(target: Target, expected: Tensor, x: Tensor = X, tolerance: float = 1e-4) -> None:
    """The deployed model and its twin give these logits, and the twin's gradients reach the samples."""
    assert torch.allclose(target.answer(x), expected, atol=tolerance)
    leaf = x.clone().requires_grad_()
    logits = target.differentiable(leaf)
    assert torch.allclose(logits, expected, atol=tolerance)
    (gradient,) = torch.autograd.grad(logits[:, 0].sum(), leaf)
    assert (gradient.flatten(1).norm(dim=1) > 0).all()


class Small(nn.Module):
    """A convolution and a linear layer, with the batch size in a reshape as exporters see it."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 4, 3, padding=1)
        self.normalisation = nn.BatchNorm2d(4)
        self.linear = nn.Linear(64, 5)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.relu(self.normalisation(self.convolution(x)))
        return self.linear(hidden.reshape(x.shape[0], -1))


def export(module: nn.Module, path: Path, *, new: bool, batch: int, dynamic: bool) -> None:
    free = {"dynamic_shapes": ({0: torch.export.Dim("n")},)} if new else {"dynamic_axes": {"x": {0: "n"}}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x = torch.rand(batch, 1, 4, 4)
        torch.onnx.export(module, (x,), path, input_names=["x"], dynamo=new, verbose=False, **(free if dynamic else {}))


@pytest.mark.parametrize(
    ("new", "batch", "dynamic", "batching"),
    [
        (True, 2, True, "native"),
        (True, 1, False, "loop; twin vmap"),
        (False, 2, True, "native"),
        (False, 1, False, "loop; twin vmap"),
        (False, 4, False, "loop; twin vmap"),
    ],
)
def test_what_both_exporters_of_pytorch_write_answers_as_the_module_does(
    tmp_path: Path, new: bool, batch: int, dynamic: bool, batching: str
) -> None:
    torch.manual_seed(0)
    module = Small().eval()
    export(module, tmp_path / "m.onnx", new=new, batch=batch, dynamic=dynamic)
    target = bound(tmp_path / "m.onnx")
    assert_answers(target, module(X).detach(), tolerance=1e-5)
    assert target.batching == batching
    assert (target.num_classes, target.gradients, target.format) == (5, "twin", "onnx")
    assert agreement(target, X).holds


def test_gradients_are_those_of_the_module_that_was_exported(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = Small().eval()
    export(module, tmp_path / "m.onnx", new=False, batch=1, dynamic=False)
    target = bound(tmp_path / "m.onnx")
    x = X.clone().requires_grad_()
    (ours,) = torch.autograd.grad(target.differentiable(x).logsumexp(1).sum(), x)
    (theirs,) = torch.autograd.grad(module(x).logsumexp(1).sum(), x)
    assert torch.allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("dims", [(None, 16), (1, 16), (1, 16, 1), (1, 16, 1, 1), (None, 4, 4), (3, 1, 16)])
def test_input_shapes_with_the_right_number_of_values_are_reshaped_to(
    tmp_path: Path, dims: tuple[int | None, ...]
) -> None:
    model = linear(tmp_path / "m.onnx", dims)
    assert_answers(bound(model.path), model.logits(X))


@pytest.mark.parametrize("dims", [(None, 4, 4, 3), (1, 4, 4, 3), (None, None, None, 3)])
def test_channels_last_is_seen_from_the_shape(tmp_path: Path, dims: tuple[int | None, ...]) -> None:
    model = linear(tmp_path / "m.onnx", dims, image=(3, 4, 4), channels_last=True)
    target = bound(model.path, COLOUR)
    assert target.preprocessing.layout == "nhwc"
    assert_answers(target, model.logits(COLOUR), COLOUR)


@pytest.mark.parametrize("batch", [1, 8])
def test_a_baked_batch_is_looped_over_in_the_runtime_and_mapped_over_in_the_twin(tmp_path: Path, batch: int) -> None:
    model = linear(tmp_path / "m.onnx", (batch, 1, 4, 4), batch=batch)
    target = bound(model.path)
    assert target.batching == "loop; twin vmap"
    assert_answers(target, model.logits(X))


def test_a_batch_baked_behind_a_free_dimension_is_found_out(tmp_path: Path) -> None:
    model = linear(tmp_path / "m.onnx", (None, 1, 4, 4), batch=1)
    target = bound(model.path)
    assert target.batching == "loop; twin vmap"
    assert_answers(target, model.logits(X))


@pytest.mark.parametrize(
    ("ending", "head", "twin_head"),
    [
        ("Softmax", Head.PROBABILITIES, Head.SOFTMAX_INPUT),
        ("LogSoftmax", Head.LOGITS, Head.SOFTMAX_INPUT),
        ("", Head.LOGITS, Head.LOGITS),
    ],
)
@pytest.mark.parametrize("classes", [2, 5])
def test_a_softmax_at_the_end_is_read_and_left_out_of_the_twin(
    tmp_path: Path, ending: str, head: Head, twin_head: Head, classes: int
) -> None:
    model = linear(tmp_path / "m.onnx", ending=ending, classes=classes)
    target = bound(model.path)
    assert (target.head, target.twin_head, target.num_classes) == (head, twin_head, classes)
    logits = model.logits(X)
    assert_answers(target, logits.log_softmax(1) if ending else logits)


@pytest.mark.parametrize("ending", ["Sigmoid", ""])
def test_a_single_output_is_two_classes(tmp_path: Path, ending: str) -> None:
    model = linear(tmp_path / "m.onnx", classes=1, ending=ending)
    target = bound(model.path)
    z = model.logits(X)
    assert target.num_classes == 2
    assert_answers(target, torch.cat([-z, z], 1).sigmoid().log())


def test_a_sigmoid_for_each_class_keeps_the_order_of_the_classes(tmp_path: Path) -> None:
    model = linear(tmp_path / "m.onnx", ending="Sigmoid")
    target = bound(model.path)
    assert target.head is Head.INDEPENDENT_PROBABILITIES
    assert_answers(target, model.logits(X), tolerance=1e-3)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_half_and_double_precision_are_fed_what_they_take(tmp_path: Path, kind: int) -> None:
    model = linear(tmp_path / "m.onnx", kind=kind)
    assert_answers(bound(model.path), model.logits(X), tolerance=2e-2)


def test_bytes_are_pixels_from_0_to_255_and_gradients_pass_the_rounding(tmp_path: Path) -> None:
    model = linear(tmp_path / "m.onnx", kind=TensorProto.UINT8)
    target = bound(model.path)
    assert_answers(target, model.logits((X * 255).round() / 255))
    assert [finding.code for finding in target.findings] == ["AUD122"]


def test_other_integers_need_a_word_from_the_user(tmp_path: Path) -> None:
    model = linear(tmp_path / "m.onnx", kind=TensorProto.INT32)
    with pytest.raises(ModelError, match="int32; say with --input-range"):
        bound(model.path)
    assert_answers(bound(model.path, input_range=(0.0, 255.0)), model.logits((X * 255).round() / 255))


def test_samples_are_scaled_and_repeated_to_what_the_model_takes_and_the_report_says_so(tmp_path: Path) -> None:
    model = linear(tmp_path / "m.onnx", (None, 3, 4, 4), image=(3, 4, 4))
    gray = torch.rand(3, 1, 8, 8)
    target = bound(model.path, gray)
    small = nn.functional.interpolate(gray, (4, 4), mode="bilinear", antialias=True)
    assert_answers(target, model.logits(small.expand(-1, 3, -1, -1)), gray)
    assert [finding.code for finding in target.findings] == ["AUD120", "AUD121"]
    assert all(finding.severity is Severity.INFO for finding in target.findings)


def test_metadata_in_the_file_says_how_to_prepare_samples_and_what_the_classes_are(tmp_path: Path) -> None:
    said = {"auditor.mean": "[0.5]", "auditor.std": "[0.25]", "auditor.classes": '["a", "b", "c"]'}
    model = linear(tmp_path / "m.onnx", metadata=said)
    target = bound(model.path)
    assert_answers(target, model.logits((X - 0.5) / 0.25))
    assert target.classes == ("a", "b", "c")
    assert_answers(bound(model.path, mean=(0.1,)), model.logits((X - 0.1) / 0.25))


def two_outputs(path: Path, model: Linear) -> Path:
    """Labels first, then features, then scores."""
    constants = {"w": model.weight.numpy(), "b": model.bias.numpy()}
    nodes = [
        helper.make_node("Flatten", ["x"], ["features"]),
        helper.make_node("Gemm", ["features", "w", "b"], ["scores"], transB=1),
        helper.make_node("ArgMax", ["scores"], ["label"], axis=1, keepdims=0),
    ]
    outputs = {"label": (INT64, (None,)), "features": (FLOAT, (None, 16)), "scores": (FLOAT, (None, 3))}
    return write(path, nodes, {"x": (FLOAT, (None, 1, 4, 4))}, outputs, constants)


def test_of_several_outputs_the_named_one_is_judged(tmp_path: Path) -> None:
    model = linear(tmp_path / "m.onnx")
    target = bound(two_outputs(tmp_path / "two.onnx", model), output="scores")
    assert_answers(target, model.logits(X))
    assert not target.findings


def test_of_several_outputs_one_with_as_many_scores_as_classes_is_preferred(tmp_path: Path) -> None:
    model = linear(tmp_path / "m.onnx")
    target = bound(two_outputs(tmp_path / "two.onnx", model), classes=("a", "b", "c"))
    assert_answers(target, model.logits(X))


def test_an_output_of_another_shape_than_rows_is_passed_over(tmp_path: Path) -> None:
    model = linear(tmp_path / "m.onnx")
    proto = onnx.load(model.path)
    proto.graph.node.append(helper.make_node("Relu", ["x"], ["map"]))
    proto.graph.output.insert(0, helper.make_tensor_value_info("map", FLOAT, ["n", 1, 4, 4]))
    onnx.save(proto, model.path)
    target = bound(model.path)
    assert_answers(target, model.logits(X))
    assert not target.findings


def test_a_choice_among_outputs_is_told(tmp_path: Path) -> None:
    target = load(two_outputs(tmp_path / "two.onnx", linear(tmp_path / "m.onnx")))
    (finding,) = target.findings
    assert "'features'" in finding.title
    assert "scores" in finding.detail


def test_an_output_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no output 'logits'; it has label .*, features .*, scores"):
        load(two_outputs(tmp_path / "two.onnx", linear(tmp_path / "m.onnx")), output="logits")


def test_the_dictionaries_of_scikit_learns_converter_are_read_as_probabilities(tmp_path: Path) -> None:
    model = linear(tmp_path / "m.onnx")
    constants = {"w": model.weight.numpy(), "b": model.bias.numpy()}
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w", "b"], ["z"], transB=1),
        helper.make_node("Softmax", ["z"], ["p"]),
        helper.make_node("ArgMax", ["p"], ["output_label"], axis=1, keepdims=0),
        helper.make_node("ZipMap", ["p"], ["output_probability"], domain="ai.onnx.ml", classlabels_int64s=[0, 1, 2]),
    ]
    path = write(
        tmp_path / "zip.onnx",
        nodes,
        {"x": (FLOAT, (None, 1, 4, 4))},
        {"output_label": (INT64, (None,)), "output_probability": (FLOAT, None)},
        constants,
        domains={"ai.onnx.ml": 1},
    )
    zipped = onnx.load(path)
    zipped.graph.output[1].type.CopyFrom(
        helper.make_sequence_type_proto(helper.make_map_type_proto(INT64, helper.make_tensor_type_proto(FLOAT, None)))
    )
    onnx.save(zipped, path)
    assert_answers(bound(path), model.logits(X).log_softmax(1))


def without_gradients(path: Path) -> Path:
    """A classifier with an operator that ONNX Runtime has and PyTorch could not differentiate: a tree."""
    tree = helper.make_node(
        "TreeEnsembleClassifier",
        ["flat"],
        ["label", "scores"],
        domain="ai.onnx.ml",
        nodes_treeids=[0, 0, 0],
        nodes_nodeids=[0, 1, 2],
        nodes_featureids=[5, 0, 0],
        nodes_values=[0.5, 0.0, 0.0],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"],
        nodes_truenodeids=[1, 0, 0],
        nodes_falsenodeids=[2, 0, 0],
        nodes_hitrates=[1.0, 1.0, 1.0],
        nodes_missing_value_tracks_true=[0, 0, 0],
        class_treeids=[0, 0, 0],
        class_nodeids=[1, 2, 2],
        class_ids=[0, 1, 2],
        class_weights=[1.0, 1.0, 0.5],
        classlabels_int64s=[0, 1, 2],
        post_transform="NONE",
    )
    nodes = [helper.make_node("Flatten", ["x"], ["flat"]), tree]
    outputs = {"label": (INT64, (None,)), "scores": (FLOAT, (None, 3))}
    return write(path, nodes, {"x": (FLOAT, (None, 1, 4, 4))}, outputs, domains={"ai.onnx.ml": 1})


def test_trees_are_said_to_have_no_gradient_and_the_deployed_model_goes_on(tmp_path: Path) -> None:
    target = bound(without_gradients(tmp_path / "tree.onnx"))
    assert (target.twin, target.gradients) == (None, "none")
    (finding,) = target.findings
    assert (finding.code, finding.severity) == ("AUD114", Severity.WARN)
    assert "TreeEnsembleClassifier), which are step functions" in finding.detail
    assert "register" not in f"{finding.detail} {finding.remedy}".lower()
    assert torch.equal(target.answer(X).argmax(1), (X.flatten(1)[:, 5] > 0.5).long())
    with pytest.raises(ModelError, match="no differentiable form"):
        target.differentiable(X)


def no_twin(path: Path) -> str:
    """What is said to do about a file that has no twin."""
    (finding,) = load(path).findings
    assert finding.code == "AUD114"
    return finding.remedy


def test_the_remedy_for_a_missing_twin_follows_the_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, shape = tmp_path / "m.onnx", (FLOAT, (None, 3))
    random = [helper.make_node("RandomNormalLike", ["x"], ["r"]), helper.make_node("Add", ["x", "r"], ["y"])]
    write(path, random, {"x": shape}, {"y": shape})
    assert no_twin(path).startswith("Export the model again without what is named here")
    monkeypatch.delitem(_REGISTRY, ("", "Gemm"))
    linear(path)
    assert "register the operator" in no_twin(path)


def test_a_twin_that_runs_out_of_memory_needs_more_of_it() -> None:
    for error in (MemoryError(), torch.OutOfMemoryError(), RuntimeError("can't allocate memory: you tried 4 TB")):
        assert "more memory" in notices.remedy(error)
    assert "Export the model again" in notices.remedy(RuntimeError("shapes differ"))


def test_samples_that_do_not_fit_are_told_with_both_shapes(tmp_path: Path) -> None:
    model = linear(tmp_path / "net.onnx", (None, 5, 4, 4), image=(5, 4, 4))
    with pytest.raises(DataError, match="net: Samples of shape 3x4x4 do not fit the model, which takes 5x4x4"):
        bound(model.path, COLOUR)


def test_samples_that_fit_the_declared_shape_and_not_the_graph_are_told(tmp_path: Path) -> None:
    model = linear(tmp_path / "net.onnx", (None, None, None, None))
    with pytest.raises(ModelError, match="net: ONNX Runtime does not run on inputs of shape 1x3x4x4"):
        bound(model.path, COLOUR)


@pytest.mark.parametrize("dims", [(0, 1, 4, 4), (None, 1, -4, 4)])
def test_an_axis_of_a_size_that_no_sample_has_is_told_with_its_remedy(tmp_path: Path, dims: tuple[int, ...]) -> None:
    model = linear(tmp_path / "m.onnx", dims)
    with pytest.raises(ModelError, match=r"input 'x' declares an axis of size (0|-4), which no sample has; export it"):
        load(model.path)


def test_an_axis_of_size_minus_one_fits_any(tmp_path: Path) -> None:
    model = linear(tmp_path / "m.onnx", (-1, 1, 4, 4))
    assert_answers(bound(model.path), model.logits(X))


@pytest.mark.parametrize("flag", ["mean", "std"])
def test_as_many_means_as_channels_are_needed(tmp_path: Path, flag: str) -> None:
    with pytest.raises(UsageError, match=f"--{flag} has 3 numbers, and the model's input has 1 channels"):
        bound(linear(tmp_path / "m.onnx").path, **{flag: (0.5, 0.5, 0.5)})


def test_as_many_class_names_as_classes_are_needed(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="3 classes, and 2 class names"):
        bound(linear(tmp_path / "m.onnx").path, classes=("a", "b"))


def test_a_single_sample_is_enough(tmp_path: Path) -> None:
    model = linear(tmp_path / "m.onnx", (1, 1, 4, 4), batch=1)
    assert_answers(bound(model.path, X[:1]), model.logits(X))


def test_an_input_with_a_default_need_not_be_given(tmp_path: Path) -> None:
    """Old files list their weights among the inputs."""
    model = linear(tmp_path / "m.onnx")
    proto = onnx.load(model.path)
    proto.graph.input.extend(
        helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims) for tensor in proto.graph.initializer
    )
    onnx.save(proto, model.path)
    assert_answers(bound(model.path), model.logits(X))


def test_a_segmentation_is_no_classifier(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    path = write(tmp_path / "m.onnx", nodes, {"x": (FLOAT, (None, 1, 4, 4))}, {"y": (FLOAT, None)})
    with pytest.raises(ModelError, match="no row of scores"):
        bound(path)


def test_the_record_tells_what_the_file_is(tmp_path: Path) -> None:
    model = linear(tmp_path / "m.onnx", ending="Softmax")
    target = load(model.path)
    assert target.sha256 == hashlib.sha256(model.path.read_bytes()).hexdigest()
    facts = target.details
    assert facts["operators"] == {"Flatten": 1, "Gemm": 1, "Softmax": 1}
    assert (facts["opset"], facts["parameters"], facts["quantised"]) == (17, 51, False)
    assert facts["providers"] == ["CPUExecutionProvider"]
    assert facts["bytes"] == model.path.stat().st_size


def external(path: Path, location: str = "weights.bin") -> Path:
    """`linear`, with its weights in a file of their own."""
    model = linear(path)
    proto = onnx.load(path)
    (path.parent / "weights.bin").write_bytes(model.weight.numpy().tobytes())
    tensor = next(t for t in proto.graph.initializer if t.name == "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    tensor.external_data.add(key="length", value=str(model.weight.numel() * 4))
    onnx.save(proto, path)
    return path


def test_weights_in_a_file_beside_are_read_and_part_of_the_digest(tmp_path: Path) -> None:
    model = linear(tmp_path / "whole.onnx")
    target = bound(external(tmp_path / "m.onnx"))
    assert_answers(target, model.logits(X))
    both = (tmp_path / "m.onnx").read_bytes() + (tmp_path / "weights.bin").read_bytes()
    assert target.sha256 == hashlib.sha256(both).hexdigest()
    assert target.details["files"] == ["m.onnx", "weights.bin"]


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/passwd", ""])
def test_weights_outside_the_models_folder_are_refused(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(1000))
    with pytest.raises(ModelError, match="outside its own folder"):
        load(external(folder / "m.onnx", location))


@pytest.mark.parametrize("goal", ["model/weights.bin", "secret.bin"])
def test_weights_behind_a_symbolic_link_are_refused_by_the_loader_as_by_the_twin(tmp_path: Path, goal: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    path = external(folder / "m.onnx")
    (tmp_path / "secret.bin").write_bytes((folder / "weights.bin").read_bytes())
    (folder / "link.bin").symlink_to(tmp_path / goal)
    (folder / "within").symlink_to(folder, target_is_directory=True)
    for location in ("link.bin", "within/weights.bin"):
        external(path, location)
        with pytest.raises(ModelError, match="is a symbolic link; put the file itself"):
            load(path)
        with pytest.raises(ModelError, match=r"cannot be used: .*[^.]\. Keep the data files themselves"):
            load_twin(path)


def test_weights_that_are_missing_or_cut_short_are_named(tmp_path: Path) -> None:
    path = external(tmp_path / "m.onnx")
    (tmp_path / "weights.bin").write_bytes(bytes(10))
    with pytest.raises(ModelError, match=r"weights\.bin.* cut short"):
        load(path)
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(ModelError, match=r"weights in weights\.bin, which is not beside it"):
        load(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), "not a complete ONNX file|holds no graph"),
        (b"PK\x03\x04" + bytes(200), "not a complete ONNX file|holds no graph"),
        (bytes(range(256)) * 8, "not a complete ONNX file|holds no graph"),
        (b"import os; os.system('true')", "not a complete ONNX file|holds no graph"),
    ],
)
def test_files_that_are_no_onnx_are_told_in_a_sentence(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=words):
        load(tmp_path / "m.onnx")


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.8, 0.95, 0.99])
def test_a_file_cut_short_is_told_in_a_sentence(tmp_path: Path, share: float) -> None:
    path = linear(tmp_path / "m.onnx").path
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelError, match=r"m\.onnx"):
        load(path)


def test_flipped_bytes_never_give_a_traceback(tmp_path: Path) -> None:
    path = linear(tmp_path / "m.onnx").path
    content, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        broken = bytearray(content)
        broken[rng.integers(len(content) - 250)] ^= 1 << rng.integers(8)
        path.write_bytes(broken)
        try:
            bound(path)
        except AuditorError:
            refused += 1
    assert refused > 0


def test_names_that_are_no_text_are_told_in_a_sentence(tmp_path: Path) -> None:
    path = linear(tmp_path / "m.onnx", ending="Softmax").path
    path.write_bytes(path.read_bytes().replace(b"Softmax", b"Softma\xca"))
    with pytest.raises(ModelError, match="is damaged"):
        load(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model file at"):
        load(tmp_path / "m.onnx")


def test_a_folder_is_answered_with_a_model_in_it(tmp_path: Path) -> None:
    linear(tmp_path / "inside.onnx")
    with pytest.raises(ModelError, match=r"is a folder; name the model file in it, .*inside\.onnx"):
        load(tmp_path)
    (tmp_path / "sub.onnx").mkdir()
    with pytest.raises(ModelError, match="no model file at"):
        load(tmp_path / "sub.onnx")


def test_a_graph_that_asks_for_more_memory_than_there_is_is_told(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Mul", ["x", "zero"], ["nothing"]),
        helper.make_node("ReduceMax", ["nothing"], ["none"], keepdims=0),
        helper.make_node("Cast", ["none"], ["count"], to=INT64),
        helper.make_node("Add", ["count", "size"], ["shape"]),
        helper.make_node("ConstantOfShape", ["shape"], ["huge"]),
        helper.make_node("ReduceSum", ["huge"], ["y"]),
    ]
    constants = {"zero": np.zeros(1, np.float32), "size": np.array([1 << 24, 1 << 24])}
    path = write(tmp_path / "m.onnx", nodes, {"x": (FLOAT, (None, 1, 4, 4))}, {"y": (FLOAT, None)}, constants)
    with pytest.raises(ModelError, match="m: ONNX Runtime does not run"):
        bound(path)


def test_an_operator_that_the_runtime_lacks_is_named(tmp_path: Path) -> None:
    nodes = [helper.make_node("Wobble", ["x"], ["y"], domain="my.ops")]
    io = {"x": (FLOAT, (None, 4))}, {"y": (FLOAT, (None, 4))}
    path = write(tmp_path / "m.onnx", nodes, *io, domains={"my.ops": 1})
    with pytest.raises(ModelError, match=r"m\.onnx: ONNX Runtime cannot load the model: .*my\.ops:Wobble"):
        load(path)


def test_other_files_are_left_to_other_loaders(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no model")
    assert auditor_load_model(str(tmp_path / "notes.txt"), ModelOptions(), CPU) is None


def test_importing_the_loaders_imports_nothing_heavy() -> None:
    code = "import sys, auditor.loaders; print({'torch', 'onnx', 'onnxruntime', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_weights_in_constant_nodes_are_weights(tmp_path: Path) -> None:
    """Weights as Constant nodes, as PaddlePaddle writes them."""
    model = linear(tmp_path / "m.onnx")
    proto = onnx.load(model.path)
    constants = [helper.make_node("Constant", [], [t.name], value=t) for t in proto.graph.initializer]
    del proto.graph.initializer[:]
    nodes = [*constants, *proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    onnx.save(proto, model.path)
    assert_answers(bound(model.path), model.logits(X))


def test_what_the_page_writes_into_a_file_is_read_from_it(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "bring-your-model.md").read_text("utf-8")
    python, beside = (page.partition(f"```{kind}\n")[2].partition("```")[0] for kind in ("python", "json"))
    model = linear(tmp_path / "model.onnx")
    (tmp_path / "model.auditor.json").write_text(beside)
    expected = bound(model.path)
    (tmp_path / "model.auditor.json").unlink()
    subprocess.run([sys.executable, "-c", python], cwd=tmp_path, check=True)
    target = bound(model.path)
    assert target.classes == expected.classes == ("cat", "dog", "owl")
    assert_answers(target, model.logits((X - 0.5) / 0.25))
    assert_answers(expected, model.logits((X - 0.5) / 0.25))
