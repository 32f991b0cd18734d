"""`auditor doctor`: the machine, and a model from what it is to what stands in the way."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from auditor.target import limits
from tests.children import ctrl_c, started
from tests.cli.conftest import Outcome
from tests.target.onnx_files import linear, looping, write

FLOAT, INT64, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING
Auditor = Callable[..., Outcome]
HOLDS, WORKS, HINDERS = "  format", "What auditor does with it", "What stands in the way"


def words(outcome: Outcome) -> str:
    """What was printed, without its line breaks."""
    return " ".join(outcome.out.split())


def test_without_a_model_the_machine_is_looked_at(auditor: Auditor) -> None:
    outcome = auditor("doctor")
    for line in (f"torch {torch.__version__.partition('+')[0]}", f"onnx {onnx.__version__}", "providers", "cores"):
        assert line in words(outcome)
    assert (outcome.code == 0) == ("Nothing is wrong with the installation." in outcome.out)


def test_a_model_is_told_from_what_it_is_to_what_stands_in_the_way(auditor: Auditor, plain: Path) -> None:
    outcome = auditor("doctor", plain)
    assert outcome.code == 0
    places = [outcome.out.index(part) for part in (str(plain)[:60], HOLDS, WORKS, HINDERS)]
    assert places == sorted(places)
    said = words(outcome)
    for fact in (
        "642,532 bytes",
        "producer pytorch",
        "IR version 10",
        "opsets ai.onnx 20",
        "8 of 4 kinds: Relu 3, Conv 2, Gemm 2, Reshape 1",
        "parameters 160,090",
        "quantisation none",
        "input image: float [any, 1, 28, 28]",
        "output logits: float [any, 10]",
        "tried with noise of shape 1x28x28",
        "answers logits: logits of 10 classes",
        "gradients through the twin",
        "twin agrees on 8 samples",
        "trainable 160,090 numbers, the parameters of the twin",
        "ONNX Runtime: any batch, as one (native)",
        "forward in ONNX Runtime",
        "forward in the twin",
        "forward and backward in the twin",
        f"{HINDERS} Nothing.",
    ):
        assert fact in said, fact


def test_the_page_is_plain_and_fits_eighty_columns_where_it_is_piped(auditor: Auditor, tmp_path: Path) -> None:
    names = tmp_path / "m.onnx"
    linear(names, (1, 1, 4, 4), batch=1, ending="Softmax", metadata={"auditor.classes": '["a", "b", "c"]'})
    outcome = auditor("doctor", "m.onnx")
    assert "\x1b" not in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 80


def test_names_in_a_file_cannot_drive_the_terminal(auditor: Auditor, tmp_path: Path) -> None:
    linear(tmp_path / "m.onnx")
    proto = onnx.load(tmp_path / "m.onnx")
    proto.producer_name = "\x1b[31mred\nWhat stands in the way"
    onnx.save(proto, tmp_path / "m.onnx")
    outcome = auditor("doctor", "m.onnx")
    assert "\x1b" not in outcome.out
    assert outcome.out.count(f"\n{HINDERS}") == 1


def test_a_baked_batch_is_said_with_what_it_costs_and_how_to_free_it(auditor: Auditor, tmp_path: Path) -> None:
    linear(tmp_path / "m.onnx", (1, 1, 4, 4), batch=1)
    said = words(auditor("doctor", "m.onnx"))
    assert "ONNX Runtime: 1 at a time (loop) the twin: any batch, all samples at once (torch.vmap)" in said
    assert "info The file takes batches of 1 only" in said
    assert "What to do: Export the model with a free batch dimension" in said


def test_a_softmax_at_the_end_is_said_to_be_left_out_of_the_twin(auditor: Auditor, tmp_path: Path) -> None:
    linear(tmp_path / "m.onnx", ending="Softmax")
    said = words(auditor("doctor", "m.onnx"))
    assert "ends with a softmax" in said
    assert "through the twin, without a softmax, which would flatten them" in said
    assert "y: probabilities of 3 classes" in said


def test_several_inputs_are_listed_with_the_flags_and_tried_once_they_are_given(
    auditor: Auditor, tmp_path: Path
) -> None:
    nodes = [helper.make_node("Add", ["a", "b"], ["y"])]
    spec = (FLOAT, (None, 4))
    write(tmp_path / "m.onnx", nodes, {"a": spec, "b": spec}, {"y": spec})
    refused = auditor("doctor", "m.onnx")
    assert refused.code == 4
    assert "input a: float [any, 4] input b: float [any, 4]" in words(refused)
    assert "block The model does not load" in words(refused)
    assert "--input NAME which gets the samples, and with --constant NAME=VALUE" in words(refused)
    tried = auditor("doctor", "m.onnx", "--input", "b", "--constant", "a=0.5")
    assert tried.code == 0
    assert "samples go to b, beside a = 0.5" in words(tried)


def test_a_model_of_labels_alone_is_told_what_scores_would_be_good_for(auditor: Auditor, tmp_path: Path) -> None:
    linear(tmp_path / "m.onnx")
    proto = onnx.load(tmp_path / "m.onnx")
    proto.graph.node.append(helper.make_node("ArgMax", ["y"], ["label"], axis=1))
    del proto.graph.output[:]
    proto.graph.output.append(helper.make_tensor_value_info("label", INT64, (None, 1)))
    onnx.save(proto, tmp_path / "m.onnx")
    outcome = auditor("doctor", "m.onnx")
    assert outcome.code == 0
    assert "labels of 3 classes" in words(outcome)
    assert "Export the model with its scores" in words(outcome)


def test_whole_numbers_need_a_range_and_are_tried_with_it(auditor: Auditor, tmp_path: Path) -> None:
    linear(tmp_path / "m.onnx", kind=TensorProto.INT32)
    refused = auditor("doctor", "m.onnx")
    assert refused.code == 4
    assert "say with --input-range LOW,HIGH" in words(refused)
    tried = auditor("doctor", "m.onnx", "--input-range", "0,255")
    assert tried.code == 0
    assert "info AUD122 Inputs are rounded to whole numbers" in words(tried)


def test_what_declares_no_size_is_tried_with_samples_only(auditor: Auditor, tmp_path: Path) -> None:
    nodes = [helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1]), helper.make_node("Sigmoid", ["mean"], ["y"])]
    write(tmp_path / "m.onnx", nodes, {"x": (FLOAT, (None, None))}, {"y": (FLOAT, (None, 1))})
    untried = auditor("doctor", "m.onnx")
    assert (untried.code, WORKS in untried.out) == (0, False)
    assert "Nothing was tried out" in words(untried)
    assert "Say --data with samples" in words(untried)
    x = np.random.default_rng(0).random((12, 7), np.float32)
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(12) % 2)
    tried = words(auditor("doctor", "m.onnx", "--data", "data.npz"))
    assert "tried with the first 8 samples of shape 7" in tried
    assert "y: binary probability of 2 classes" in tried


def test_an_image_of_any_size_is_tried_with_the_usual_one_or_the_one_that_is_said(
    auditor: Auditor, tmp_path: Path
) -> None:
    nodes = [helper.make_node("GlobalAveragePool", ["x"], ["mean"]), helper.make_node("Flatten", ["mean"], ["y"])]
    write(tmp_path / "m.onnx", nodes, {"x": (FLOAT, (None, 3, None, None))}, {"y": (FLOAT, (None, 3))})
    assert "noise of shape 3x224x224" in words(auditor("doctor", "m.onnx"))
    assert "noise of shape 3x8x16" in words(auditor("doctor", "m.onnx", "--input-size", "8,16"))


def test_an_operator_without_gradients_is_named_and_only_forward_passes_are_timed(
    auditor: Auditor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from auditor.onnx.registry import _REGISTRY

    monkeypatch.delitem(_REGISTRY, ("", "Gemm"))
    linear(tmp_path / "m.onnx")
    outcome = auditor("doctor", "m.onnx")
    said = words(outcome)
    assert outcome.code == 0
    assert "warn AUD114 No gradients: black-box attacks only" in said
    assert "Gemm (domain ai.onnx, opset 17" in said
    assert "register the operator" in said
    assert "gradients none: attacks that only ask the model" in said
    assert "forward in ONNX Runtime" in said
    assert "none forward and backward: there are no gradients" in said


def test_an_old_opset_is_told_how_to_become_a_new_one(auditor: Auditor, tmp_path: Path) -> None:
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=1, broadcast=1)]
    constants = {"w": np.eye(3, dtype=np.float32), "b": np.zeros(3, np.float32)}
    write(tmp_path / "m.onnx", nodes, {"x": (FLOAT, (None, 3))}, {"y": (FLOAT, (None, 3))}, constants, opset=6)
    said = words(auditor("doctor", "m.onnx"))
    assert "Opset 6 is too old" in said
    assert "onnx.version_converter.convert_version" in said


def test_a_damaged_file_is_a_sentence_and_exit_code_4(auditor: Auditor, tmp_path: Path) -> None:
    linear(tmp_path / "m.onnx", ending="Softmax")
    content = (tmp_path / "m.onnx").read_bytes()
    for broken in (content[:40], content.replace(b"Softmax", b"Softma\xca"), b""):
        (tmp_path / "m.onnx").write_bytes(broken)
        outcome = auditor("doctor", "m.onnx")
        assert outcome.code == 4
        assert "m.onnx" in outcome.err
        assert "Traceback" not in outcome.err
    assert auditor("doctor", "nowhere.onnx").code == 4


def test_a_model_that_is_no_onnx_file_is_looked_at_too(auditor: Auditor, tmp_path: Path) -> None:
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3)).eval()
    exported = torch.export.export(module, (torch.rand(2, 1, 4, 4),), dynamic_shapes=({0: torch.export.Dim("n")},))
    torch.export.save(exported, tmp_path / "m.pt2")
    outcome = auditor("doctor", "m.pt2")
    assert outcome.code == 0
    assert "gradients the model's own" in words(outcome)
    assert "forward in the model" in words(outcome)
    assert "twin" not in outcome.out


def test_the_steps_of_the_pipeline_are_tried_as_they_are_said(auditor: Auditor, tmp_path: Path) -> None:
    # The logarithm of what a pixel becomes: no number without the mean, which makes 0.9 of them 0.1.
    nodes = [helper.make_node("Log", ["x"], ["y"])]
    write(tmp_path / "m.onnx", nodes, {"x": (FLOAT, (None, 3))}, {"y": (FLOAT, (None, 3))})
    x = np.full((8, 3), 0.9, np.float32) - np.linspace(0, 0.1, 24, dtype=np.float32).reshape(8, 3)
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(8) % 3)
    refused = auditor("doctor", "m.onnx", "--data", "data.npz", "--mean", "2")
    assert refused.code == 4
    assert "block AUD117 The model answers with NaN or infinity On all 8" in words(refused)
    assert "of their range" not in refused.out
    assert auditor("doctor", "m.onnx", "--data", "data.npz", "--mean", "0.5", "--std", "0.5").code == 0
    (tmp_path / "names").write_text("a\nb\nc\n")
    named = auditor("doctor", "m.onnx", "--data", "data.npz", "--classes", "names", "--channel-order", "rgb")
    assert "logits of 3 classes: a, b, c" in words(named)


def test_answers_at_random_are_not_taken_for_a_baked_batch(auditor: Auditor, tmp_path: Path) -> None:
    nodes = [helper.make_node("RandomNormalLike", ["x"], ["r"]), helper.make_node("Add", ["x", "r"], ["y"])]
    write(tmp_path / "m.onnx", nodes, {"x": (FLOAT, (None, 3))}, {"y": (FLOAT, (None, 3))})
    outcome = auditor("doctor", "m.onnx")
    assert outcome.code == 0
    assert "warn AUD108 The model answers at random In 5 passes over the same samples" in words(outcome)
    assert "any batch, as one (native)" in words(outcome)
    assert "batches of 1" not in words(outcome)


def test_answers_that_depend_on_the_batch_are_not_taken_for_a_baked_one(auditor: Auditor, tmp_path: Path) -> None:
    nodes = [helper.make_node("ReduceMean", ["x"], ["m"], axes=[0]), helper.make_node("Sub", ["x", "m"], ["y"])]
    write(tmp_path / "m.onnx", nodes, {"x": (FLOAT, (None, 3))}, {"y": (FLOAT, (None, 3))})
    said = words(auditor("doctor", "m.onnx"))
    assert "warn The answers depend on the rest of the batch" in said
    assert "batches of 1" not in said


def test_answers_that_do_not_depend_on_the_input_are_said(auditor: Auditor, tmp_path: Path) -> None:
    nodes = [helper.make_node("Mul", ["x", "zero"], ["y"])]
    constants = {"zero": np.zeros(1, np.float32)}
    write(tmp_path / "m.onnx", nodes, {"x": (FLOAT, (None, 3))}, {"y": (FLOAT, (None, 3))}, constants)
    said = words(auditor("doctor", "m.onnx"))
    assert "warn The answers do not depend on the input" in said
    assert "0.0e+00" not in said


def test_a_free_batch_that_is_baked_in_truth_is_told_with_its_size(auditor: Auditor, tmp_path: Path) -> None:
    linear(tmp_path / "m.onnx", batch=3)
    outcome = auditor("doctor", "m.onnx")
    assert outcome.code == 4
    assert "declares any batch size, and takes batches of 3 only; export it with a free batch" in words(outcome)


def test_weights_beside_the_file_and_a_float_form_are_said(auditor: Auditor, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "scale"], ["v"]),
        helper.make_node("MatMul", ["x", "v"], ["y"]),
    ]
    constants = {"w": np.arange(12, dtype=np.int8).reshape(4, 3), "scale": np.array(0.1, np.float32)}
    write(tmp_path / "m.onnx", nodes, {"x": (FLOAT, (None, 4))}, {"y": (FLOAT, (None, 3))}, constants)
    model = onnx.load(tmp_path / "m.onnx")
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    said = words(auditor("doctor", "m.onnx"))
    assert "weights beside m.onnx, in m.data; they belong together" in said
    assert "trainable 12 numbers" in said
    assert "float form auditor.onnx.float_form makes it" in said


def test_a_file_is_described_before_it_is_run_and_ctrl_c_ends_it_with_a_sentence(tmp_path: Path) -> None:
    path = looping(tmp_path / "m.onnx", times=None)
    command = [sys.executable, "-m", "auditor", "doctor", str(path)]
    pipe = subprocess.PIPE
    with started(command, stdout=pipe, stderr=pipe, env=os.environ | {"COLUMNS": "200"}) as process:
        assert process.stdout is not None
        described = [process.stdout.readline() for _ in range(8)]
        assert "operators     3 of 3 kinds: Loop 1, Identity 1, Add 1" in "".join(described)
        time.sleep(2.0)  # by now it is in the midst of the Loop
        _, said = ctrl_c(process)
    assert process.returncode == 130
    assert said == "auditor: stopped before the model was tried out.\n"


def test_a_loop_that_does_not_end_stands_in_the_way(
    auditor: Auditor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SECONDS", 0.3)
    looping(tmp_path / "m.onnx", times=None)
    outcome = auditor("doctor", "m.onnx")
    assert outcome.code == 4
    assert "block The model does not run m: One pass took longer than 0.3 s and was stopped" in words(outcome)
