"""`auditor harden`, from a model file to a hardened one and the report on both."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnxruntime.quantization import QuantType, quantize_dynamic

from auditor.harden.hardening import CHECKPOINTS, RECORD, TRAINED
from tests.cli.conftest import Outcome

QUICK = ("--eps", "0.2", "--suite", "quick", "--samples", "20")
HOW = ("--recipe", "pgd:steps=3,step_size=0.5", "--training", "lr=0.004,batch_size=64")


@pytest.fixture(scope="module")
def hardening(tmp_path_factory: pytest.TempPathFactory, demo: Path) -> tuple[Path, Outcome]:
    """The folder of the one hardening that most tests look at, and what it said."""
    from auditor.__main__ import main

    folder, out, err = tmp_path_factory.mktemp("hardened") / "out", io.StringIO(), io.StringIO()
    asked = (demo / "plain.onnx", "--data", demo / "digits.npz", *QUICK, *HOW, "--epochs", 8, "--out", folder)
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["auditor", "harden", *map(str, asked)])
        with pytest.raises(SystemExit) as ended:
            main()
    return folder, Outcome(int(ended.value.code or 0), out.getvalue(), err.getvalue())


@pytest.fixture
def hardened(hardening: tuple[Path, Outcome]) -> Path:
    return hardening[0]


def test_a_model_file_becomes_a_hardened_one_of_the_same_graph(plain: Path, hardening: tuple[Path, Outcome]) -> None:
    hardened, done = hardening
    record = json.loads((hardened / RECORD).read_text())
    seen = record["threats"][0]
    assert (seen["norm"], seen["eps"], seen["seen"]) == ("linf", 0.2, True)
    assert seen["after"]["accuracy"] > seen["before"]["accuracy"] + 0.2
    assert {t["norm"] for t in record["threats"][1:]} == {"l2", "l1"}
    assert record["helped"]
    assert done.code == record["exit_code"]
    assert record["result"] in " ".join(done.out.split())
    before, after = onnx.load(str(plain)), onnx.load(hardened / "model.onnx")
    assert before.graph.node == after.graph.node
    assert before.graph.input == after.graph.input
    assert "robust" in done.err
    assert record["files"]["difference"] < 1e-4
    assert not (hardened / CHECKPOINTS).exists()


def test_the_report_audits_samples_that_were_not_trained_with(hardened: Path, digits: Path) -> None:
    record = json.loads((hardened / RECORD).read_text())
    with np.load(hardened / "held-out.npz") as held, np.load(digits) as data:
        assert held["x"].dtype == np.uint8
        assert len(held["x"]) == len(data["x"]) - record["data"]["training"] - record["data"]["validation"]
    for name in ("before", "after"):
        run = json.loads((hardened / name / "result.json").read_text())
        assert run["settings"]["data"] == str(hardened / "held-out.npz")
        assert (hardened / name / "report.html").is_file()
    page = (hardened / "hardened.html").read_text()
    assert page.count("It helped") == 1
    assert 'href="before/report.html"' in page


def test_a_finished_training_is_not_repeated_on_resume(
    auditor: Callable, plain: Path, digits: Path, hardened: Path
) -> None:
    (hardened / RECORD).unlink()
    stamp = (hardened / "model.onnx").stat().st_mtime_ns
    auditor("harden", plain, "--data", digits, *QUICK, *HOW, "--epochs", 8, "--out", hardened, "--resume")
    assert (hardened / RECORD).is_file()
    assert (hardened / "model.onnx").stat().st_mtime_ns == stamp


def test_training_that_does_not_help_is_said_and_fails(
    auditor: Callable, plain: Path, digits: Path, tmp_path: Path
) -> None:
    nothing = ("--samples", "8", "--training", "lr=0", "--epochs", "1", "--out", tmp_path / "out", "--quiet")
    done = auditor(
        "harden", plain, "--data", digits, "--eps", "0.2", "--suite", "quick", "--recipe", "pgd:steps=1", *nothing
    )
    assert done.code == 1
    assert done.out.startswith("It did not help")
    assert json.loads((tmp_path / "out" / TRAINED).read_text())["training"]["best"] == 0


def test_samples_that_cannot_be_trained_with_are_named(
    auditor: Callable, plain: Path, digits: Path, tmp_path: Path
) -> None:
    with np.load(digits) as data:
        x, labels = data["x"] / np.float32(255), data["y"].astype(np.int64)
    x[3], labels[5] = np.nan, -1
    np.savez(tmp_path / "some.npz", x=x[:120], y=labels[:120])
    nothing = ("--training", "lr=0", "--epochs", "1", "--out", tmp_path / "out", "--quiet")
    auditor("harden", plain, "--data", tmp_path / "some.npz", *QUICK, "--recipe", "pgd:steps=1", *nothing)
    said = "Left out, since they could not be read: 2 samples"
    assert any(line.startswith(said) for line in json.loads((tmp_path / "out" / TRAINED).read_text())["remarks"])
    assert said in (tmp_path / "out" / "hardened.html").read_text()


def test_a_label_that_the_model_has_no_class_for_is_the_fault_of_the_data(
    auditor: Callable, plain: Path, digits: Path, tmp_path: Path
) -> None:
    with np.load(digits) as data:
        labels = data["y"].copy()
        labels[3] = 12
        np.savez(tmp_path / "labels.npz", x=data["x"], y=labels)
    done = auditor("harden", plain, "--data", tmp_path / "labels.npz", "--eps", "0.1", "--out", tmp_path / "out")
    assert done.code == 4
    assert "label 12, but plain answers with 10 classes" in done.err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--recipe", "pgdd"), "No installed defense is called 'pgdd'. Did you mean 'pgd'?"),
        (("--recipe", "pgd+pgd"), "needs one recipe"),
        (("--recipe", "jpeg:quality=50"), "Audit it there with `auditor scan MODEL --wrapper jpeg`."),
        (("--recipe", "pgd:stepps=3"), "no parameter 'stepps'. Did you mean 'steps'?"),
        (("--training", "lrr=3"), "no parameter 'lrr'. Did you mean 'lr'?"),
        (("--training", "schedule=zigzag"), "schedule is one of cyclic"),
        (("--epochs", "0"), "--epochs is a whole number, at least 1"),
        (("--keep-clean", "2"), "--keep-clean is a share"),
        (("--norm", "l0"), "trains for one threat"),
        (("--eps", "0.2"), "trains for one threat"),
        (("--eps", "auto"), "trains for one threat"),
        (("--time-limit", "soon"), "no duration"),
        (("--augment", "spin"), "--augment is auto, none"),
        (("--freeze", "head*"), "names no weight; plain has"),
    ],
)
def test_a_flag_without_meaning_is_answered_in_a_sentence(
    auditor: Callable, plain: Path, digits: Path, flags: tuple[str, ...], said: str
) -> None:
    budget = ("--eps", "0.1") if "--norm" not in flags and flags != ("--eps", "auto") else ()
    done = auditor("harden", plain, "--data", digits, *budget, *flags)
    assert (done.code, "Traceback" in done.err) == (2, False)
    assert said in done.err


def test_a_folder_that_is_not_empty_is_left_alone(auditor: Callable, plain: Path, digits: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("")
    done = auditor("harden", plain, "--data", digits, "--out", tmp_path / "out")
    assert done.code == 2
    assert "is not empty" in done.err


def test_a_quantised_file_that_settings_did_not_fit_can_be_hardened_in_the_same_folder(
    auditor: Callable, plain: Path, digits: Path, tmp_path: Path
) -> None:
    model = onnx.load(str(plain))
    del model.graph.value_info[:]  # ONNX Runtime's quantiser reads shapes of a fixed batch there.
    onnx.save(model, tmp_path / "plain.onnx")
    quantize_dynamic(tmp_path / "plain.onnx", tmp_path / "q.onnx", weight_type=QuantType.QUInt8, reduce_range=True)
    how = ("--recipe", "pgd:steps=1", "--epochs", "1", "--out", tmp_path / "out", "--quiet")
    wrong = auditor("harden", tmp_path / "q.onnx", "--data", digits, *QUICK, *how, "--freeze", "conv*")
    assert wrong.code == 2
    assert "0.weight_quantized_float" in wrong.err
    auditor("harden", tmp_path / "q.onnx", "--data", digits, *QUICK, *how)
    record = json.loads((tmp_path / "out" / RECORD).read_text())
    assert record["flattered"] is None
    assert record["remarks"][0].startswith("q computes with weights that are whole numbers")
    assert record["files"]["difference"] < 1e-4
