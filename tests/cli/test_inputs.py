"""A scan of a graph with several inputs, from flags and from the settings file, verified and resumed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from tests.cli.conftest import Outcome
from tests.target.onnx_files import write

FLOAT = TensorProto.FLOAT
Auditor = Callable[..., Outcome]


@pytest.fixture
def scan(auditor: Auditor, tmp_path: Path) -> Callable[..., Outcome]:
    """Two classes told apart by whether `x`'s first number is above `threshold`'s; `sharpness` scales the logits."""
    nodes = [
        helper.make_node("Sub", ["x", "threshold"], ["above"]),
        helper.make_node("MatMul", ["above", "first"], ["height"]),
        helper.make_node("Mul", ["height", "sharpness"], ["z"]),
        helper.make_node("Neg", ["z"], ["not"]),
        helper.make_node("Concat", ["not", "z"], ["y"], axis=1),
    ]
    rows = (FLOAT, ("n", 2))
    inputs = {"sharpness": (FLOAT, (1,)), "threshold": rows, "x": rows}
    constants = {"first": np.array([[1.0], [0.0]], np.float32)}
    write(tmp_path / "m.onnx", nodes, inputs, {"y": rows}, constants)
    even = np.linspace(0, 1, 40, dtype=np.float32)
    x = np.stack([even, 1 - even], 1)
    np.savez(tmp_path / "data.npz", x=x, y=(x[:, 0] > 0.5).astype(np.int64))
    np.save(tmp_path / "threshold.npy", np.array([[0.5, 0.0]], np.float32))

    def run(*arguments: object) -> Outcome:
        common = ("scan", "m.onnx", "--data", "data.npz", "--eps", "0.1", "--suite", "quick", "--quiet")
        return auditor(*common, *arguments)

    return run


FLAGS = ("--input", "x", "--constant", "threshold=threshold.npy", "--constant", "sharpness=8")


def model(folder: Path) -> dict[str, object]:
    record: dict[str, object] = json.loads((folder / "result.json").read_text())["models"][0]
    return record


def test_the_samples_go_to_the_input_that_is_named(
    scan: Callable[..., Outcome], auditor: Auditor, tmp_path: Path
) -> None:
    assert scan(*FLAGS, "--out", "run").code == 0
    record = model(tmp_path / "run")
    assert record["gradients"] == "twin"
    assert record["details"]["constants"] == {"threshold": "threshold.npy", "sharpness": 8.0}  # type: ignore[index]
    assert record["clean_accuracy"] == 1.0
    # Of 40 samples spread evenly over [0, 1], those within 0.1 of the threshold can cross it.
    assert record["threats"][0]["robust_accuracy"] == pytest.approx(0.8, abs=0.026)  # type: ignore[index]
    verified = auditor("verify", "run")
    assert (verified.code, "confirmed" in verified.out) == (0, True)


def test_a_settings_file_says_the_same_as_the_flags(scan: Callable[..., Outcome], tmp_path: Path) -> None:
    lines = ['input = "x"', 'constant = ["threshold=threshold.npy", "sharpness=8"]']
    for name, text in (
        ("listed", "\n".join(lines)),
        ("table", 'input = "x"\nconstants = {threshold = "threshold.npy", sharpness = 8}'),
    ):
        (tmp_path / "auditor.toml").write_text(text)
        assert scan("--out", name).code == 0
        assert model(tmp_path / name)["clean_accuracy"] == 1.0


def test_a_run_is_neither_resumed_nor_verified_with_other_constants(
    scan: Callable[..., Outcome], auditor: Auditor, tmp_path: Path
) -> None:
    assert scan(*FLAGS, "--out", "run").code == 0
    other = scan("--input", "x", "--constant", "threshold=0.5", "--constant", "sharpness=8", "--out", "run", "--resume")
    assert other.code == 2
    np.save(tmp_path / "threshold.npy", np.array([[0.4, 0.0]], np.float32))
    changed = auditor("verify", "run")
    assert changed.code == 4
    assert "is not the model that was audited" in changed.err


@pytest.mark.parametrize(
    ("constant", "sentence"),
    [("threshold", "no NAME=VALUE"), ("=1", "no NAME=VALUE"), ("threshold=", "no NAME=VALUE")],
)
def test_a_constant_without_name_or_value_is_a_usage_error(
    scan: Callable[..., Outcome], constant: str, sentence: str
) -> None:
    refused = scan("--constant", constant)
    assert refused.code == 2
    assert sentence in refused.err


def test_what_is_missing_is_named_and_nothing_is_measured(scan: Callable[..., Outcome], tmp_path: Path) -> None:
    assert scan("--input", "x", "--constant", "sharpness=8", "--out", "run").code == 4
    record = model(tmp_path / "run")
    assert record["clean_accuracy"] is None
    assert "threshold (float[n, 2])" in json.dumps(record["findings"])
    assert "--constant threshold=VALUE" in json.dumps(record["findings"])
