"""`auditor scan` on a real model file: what it writes, what it answers, what it refuses."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.children import started

FAST = ("--samples", 40, "--attack", "fgsm", "--attack", "apgd:steps=5", "--format", "json")


def record(run: Path) -> dict[str, Any]:
    return json.loads((run / "result.json").read_text())


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "samples.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_scan_writes_a_run_that_adds_up(auditor: Callable, plain: Path, digits: Path) -> None:
    outcome = auditor("scan", plain, "--data", digits, "--eps", "0.1", "--eps", "0.2", "--out", "r", *FAST)
    assert outcome.code == 0
    result, table = record(Path("r")), rows(Path("r"))
    (model,) = result["models"]
    assert (model["format"], model["gradients"]) == ("onnx", "twin")
    assert [t["eps"] for t in model["threats"]] == [0.1, 0.2]
    for threat in model["threats"]:
        mine = [row for row in table if float(row["eps"]) == threat["eps"]]
        assert len(mine) == 40
        assert sum(row["outcome"] == "robust" for row in mine) / 40 == threat["robust_accuracy"]
        assert sum(a["broken"] for a in threat["attacks"]) == sum(row["outcome"] == "broken" for row in mine)
        for row in mine:
            if row["outcome"] == "broken":
                assert row["adversarial_prediction"] != row["label"]
                assert 0 < float(row["distance"]) <= threat["eps"] + 1e-6
    first, second = (t["robust_accuracy"] for t in model["threats"])
    assert 0.5 > first > second


def test_the_same_seed_gives_the_same_samples_and_outcomes(auditor: Callable, plain: Path, digits: Path) -> None:
    for out, batch in (("a", 40), ("b", 7)):
        auditor("scan", plain, "--data", digits, "--eps", "0.06", "--out", out, "--batch-size", batch, *FAST)
    assert [r["outcome"] for r in rows(Path("a"))] == [r["outcome"] for r in rows(Path("b"))]


@pytest.mark.parametrize(
    ("gate", "code", "verdict"),
    [(("--min-robust-accuracy", "0.9"), 1, "fail"), (("--min-robust-accuracy", "1e-9"), 0, "pass"),
     (("--min-clean-accuracy", "97%"), 3, "inconclusive")],
)  # fmt: skip
def test_gates_decide_the_exit_code_whatever_the_format(
    auditor: Callable, plain: Path, digits: Path, gate: tuple[str, str], code: int, verdict: str
) -> None:
    run = ("scan", plain, "--data", digits, "--eps", "0.1", *FAST, *gate)
    assert auditor(*run, "--out", "r", "--quiet").code == code
    assert record(Path("r"))["verdict"] == verdict
    assert auditor(*run, "--out", "s", "--format", "junit,markdown").code == code


def test_verify_confirms_an_honest_run_and_refutes_a_tampered_one(auditor: Callable, plain: Path, digits: Path) -> None:
    from auditor.result.evidence import read_shard, write_shard

    auditor("scan", plain, "--data", digits, "--eps", "0.1", "--out", "r", *FAST)
    assert auditor("verify", "r").code == 0
    path = next(Path("r/evidence").glob("**/*.safetensors"))
    shard = read_shard(path)
    shard.adversarial[0] = shard.original[0]
    write_shard(path, shard, eight_bit=True)
    outcome = auditor("verify", "r")
    assert outcome.code == 1
    assert "1 counted examples do not hold" in " ".join(outcome.out.split())


def test_verify_refuses_another_model(auditor: Callable, demo: Path, plain: Path, digits: Path) -> None:
    auditor("scan", plain, "--data", digits, "--eps", "0.1", "--out", "r", *FAST)
    outcome = auditor("verify", "r", "--model", demo / "hardened.onnx")
    assert outcome.code == 4
    assert "not the model that was audited" in outcome.err


def test_reports_can_be_made_again(auditor: Callable, plain: Path, digits: Path) -> None:
    auditor("scan", plain, "--data", digits, "--eps", "0.1", "--out", "r", *FAST)
    before = Path("r/result.json").read_bytes()
    assert auditor("report", "r", "--format", "html,json,markdown,junit").code == 0
    assert Path("r/result.json").read_bytes() == before
    assert Path("r/report.html").stat().st_size > 10_000


def test_the_configuration_file_stands_for_flags(auditor: Callable, plain: Path, digits: Path) -> None:
    Path("auditor.toml").write_text(
        f'models = ["{plain}"]\ndata = "{digits}"\neps = ["0.1"]\nattack = ["fgsm"]\nsamples = 20\nformat = "json"\n'
        'out = "from-config"\n'
    )
    assert auditor("scan").code == 0
    assert record(Path("from-config"))["settings"]["samples"] == 20
    assert auditor("scan", "--samples", 10, "--out", "flag-wins").code == 0
    assert record(Path("flag-wins"))["data"]["n"] == 10


def test_two_models_are_audited_side_by_side(auditor: Callable, demo: Path, plain: Path, digits: Path) -> None:
    models = (plain, demo / "hardened.onnx", plain)
    assert auditor("scan", *models, "--data", digits, "--eps", "0.2", "--out", "r", *FAST).code == 0
    result = record(Path("r"))
    assert [m["name"] for m in result["models"]] == ["plain", "hardened", "plain-2"]
    plain_one, hardened, again = (m["threats"][0]["robust_accuracy"] for m in result["models"])
    assert hardened > plain_one + 0.3
    assert again == plain_one
    assert auditor("verify", "r").code == 0


def test_comparing_tells_a_change_from_noise(auditor: Callable, demo: Path, plain: Path, digits: Path) -> None:
    for out, model in (("before", demo / "hardened.onnx"), ("after", plain)):
        auditor("scan", model, "--data", digits, "--eps", "0.2", "--out", out, *FAST)
    worse = auditor("compare", "before", "after")
    assert (worse.code, "worse" in worse.out) == (1, True)
    assert auditor("compare", "after", "before").code == 0
    gate = ("--baseline", "before", "--max-drop", "0.05")
    assert auditor("scan", plain, "--data", digits, "--eps", "0.2", "--out", "g", *FAST, *gate).code == 1
    same = auditor("scan", demo / "hardened.onnx", "--data", digits, "--eps", "0.2", "--out", "h", *FAST, *gate)
    assert same.code in (0, 3)


def test_time_limits_are_kept_and_leave_nothing_called_robust(auditor: Callable, demo: Path, digits: Path) -> None:
    started = time.monotonic()
    run = ("scan", demo / "hardened.onnx", "--data", digits, "--samples", 60, "--eps", "0.1", "--format", "json")
    outcome = auditor(*run, "--attack", "fgsm", "--attack", "square:queries=100000", "--time-limit", "4s", "--out", "r")
    assert time.monotonic() - started < 20
    assert outcome.code == 3
    (threat,) = record(Path("r"))["models"][0]["threats"]
    assert threat["robust_accuracy"] is None
    assert threat["not_evaluated"] > 0
    assert threat["attacks"][-1]["status"] == "timed out"
    assert "robust" not in {row["outcome"] for row in rows(Path("r"))}


BAD = [
    (("--eps", "0"), 2, "above 0"),
    (("--eps", "-1"), 2, "above 0"),
    (("--eps", "8"), 2, "8/255"),
    (("--norm", "l7"), 2, "l7"),
    (("--norm", "spatial", "--eps", "3"), 2, "--rotation"),
    (("--goal", "win"), 2, "none of"),
    (("--goal", "targeted:99"), 2, "no such class (0 to 9)"),
    (("--goal", "impersonate:nobody"), 2, "'nobody'"),
    (("--mask", "none.png"), 2, "none.png cannot be read as a picture: No such file"),
    (("--norm", "spatial", "--translation", "28"), 2, "out of sight"),
    (("--corruptions", "frog"), 2, "Did you mean 'fog'"),
    (("--rotation", "5"), 2, "add --norm spatial"),
    (("--output", "banana"), 2, "no output 'banana'"),
    (("--weights", "none.pt"), 2, "has its own weights"),
    (("--root", "none"), 2, "a CSV"),
    (("--attack", "fgsm"), 2, "twice"),
    (("--format", ""), 2, "There is no format ''"),
    (("--without", ""), 2, "names ''"),
    (("--confidence", "abc"), 2, "such as 0.95"),
    (("--eps", "auto", "--min-robust-accuracy", "0.5"), 2, "needs a budget"),
    (("--norm", "spatial"), 3, "could run"),
    (("--suite", "mega"), 2, "mega"),
    (("--attack", "apdg"), 2, "apgd"),
    (("--attack", "apgd:stepz=3"), 2, "steps"),
    (("--attack", "apgd:steps=-3"), 2, "steps"),
    (("--attack", "apgd:steps=many"), 2, "steps"),
    (("--format", "pdf"), 2, "pdf"),
    (("--device", "tpu"), 2, "tpu"),
    (("--samples", "0"), 2, "at least 1"),
    (("--without", "nothing"), 2, "nothing"),
    (("--max-drop", "0.1"), 2, "--baseline"),
    (("--hardened-with", "pdg"), 2, "--hardened-with: No installed attack is called 'pdg'"),
    (("--hardened-with", "pgd:lose=ce"), 2, "--hardened-with"),
    (("--config", "absent.toml"), 2, "absent.toml"),
    (("--mean", "0.1,0.2,0.3"), 2, "mean"),
    (("--std", "0"), 2, "std"),
    (("--min-robust-accuracy", "1.5"), 2, "share"),
]


@pytest.mark.parametrize(("flags", "code", "words"), BAD, ids=[" ".join(flags) for flags, _, _ in BAD])
def test_requests_that_make_no_sense_get_a_sentence(
    auditor: Callable, plain: Path, digits: Path, flags: tuple[str, ...], code: int, words: str
) -> None:
    outcome = auditor("scan", plain, "--data", digits, "--samples", 20, "--attack", "fgsm", "--out", "r", *flags)
    assert outcome.code == code
    said = outcome.out + outcome.err
    assert words in said
    assert "Traceback" not in said


def test_models_that_are_none_get_a_sentence_and_a_record(auditor: Callable, digits: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.onnx").write_bytes(b"")
    (tmp_path / "text.onnx").write_bytes(b"this is no model" * 100)
    for name in ("absent.onnx", "empty.onnx", "text.onnx"):
        outcome = auditor("scan", name, "--data", digits, "--samples", 20, "--out", f"run-{name}", *FAST)
        assert outcome.code == 4, name
        assert "Traceback" not in outcome.out + outcome.err
        assert name in outcome.out + outcome.err
        result = record(Path(f"run-{name}"))
        assert (result["verdict"], result["models"][0]["clean_accuracy"]) == ("error", None)


def test_a_truncated_model_is_told_from_a_whole_one(auditor: Callable, plain: Path, digits: Path) -> None:
    Path("cut.onnx").write_bytes(plain.read_bytes()[:-5000])
    outcome = auditor("scan", "cut.onnx", "--data", digits, "--samples", 20, "--out", "r", *FAST)
    assert outcome.code == 4
    assert "Traceback" not in outcome.out + outcome.err


def test_data_that_is_none_gets_a_sentence(auditor: Callable, plain: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "nan.npz", x=np.full((20, 28, 28), np.nan, np.float32), y=np.zeros(20, np.int64))
    np.savez(tmp_path / "labels.npz", x=np.zeros((20, 28, 28), np.uint8), y=np.full(20, 12))
    np.savez(tmp_path / "shape.npz", x=np.zeros((20, 3, 30, 32), np.uint8), y=np.zeros(20, np.int64))
    for name in ("absent/", "nan.npz", "labels.npz", "shape.npz"):
        outcome = auditor("scan", plain, "--data", name, "--out", f"run-{name.strip('/')}", *FAST)
        assert outcome.code == 4, (name, outcome.out, outcome.err)
        assert "Traceback" not in outcome.out + outcome.err


def test_labels_outside_the_models_classes_are_named(auditor: Callable, plain: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "labels.npz", x=np.random.default_rng(0).integers(0, 255, (20, 28, 28)).astype(np.uint8),
             y=np.r_[np.arange(10), np.arange(10) + 3])  # fmt: skip
    outcome = auditor("scan", plain, "--data", "labels.npz", "--out", "r", *FAST)
    assert outcome.code == 4
    assert "12" in outcome.out + outcome.err


@pytest.mark.parametrize("count", [1, 2])
def test_one_sample_is_enough_to_try(auditor: Callable, plain: Path, digits: Path, count: int) -> None:
    outcome = auditor("scan", plain, "--data", digits, "--out", "r", *FAST, "--samples", count, "--eps", "0.1")
    assert outcome.code in (0, 3, 4)
    assert "Traceback" not in outcome.out + outcome.err
    assert record(Path("r"))["data"]["n"] == count


def test_an_output_directory_that_exists_is_left_alone(auditor: Callable, plain: Path, digits: Path) -> None:
    Path("r").mkdir()
    Path("r/mine.txt").write_text("precious")
    outcome = auditor("scan", plain, "--data", digits, "--out", "r", *FAST)
    assert (outcome.code, "exists already" in outcome.err) == (2, True)
    assert [p.name for p in Path("r").iterdir()] == ["mine.txt"]


def test_there_must_be_something_to_resume(auditor: Callable, plain: Path, digits: Path) -> None:
    outcome = auditor("scan", plain, "--data", digits, "--out", "r", "--resume", *FAST)
    assert (outcome.code, "nothing to resume" in outcome.err) == (2, True)


def test_a_run_is_resumed_only_as_it_was_begun(auditor: Callable, plain: Path, digits: Path) -> None:
    auditor("scan", plain, "--data", digits, "--out", "r", "--eps", "0.1", *FAST)
    outcome = auditor("scan", plain, "--data", digits, "--out", "r", "--eps", "0.1", "--seed", 1, "--resume", *FAST)
    assert (outcome.code, "seed" in outcome.err) == (2, True)


def comparable(run: Path) -> Any:
    """A record without what the clock decides."""
    result = record(run)
    for model in result["models"]:
        for threat in model["threats"]:
            for timed in (*threat["attacks"], *threat["checks"]):
                timed.pop("seconds")
        model.pop("seconds")
    return result["models"], rows(run)


def test_a_stopped_run_resumes_to_what_an_uninterrupted_one_gives(auditor: Callable, demo: Path, digits: Path) -> None:
    attacks = ("fgsm", "apgd:steps=20", "square:queries=150")
    run = ["scan", str(demo / "hardened.onnx"), "--data", str(digits), "--samples", "28", "--batch-size", "8"]
    run += ["--eps", "0.1", "--eps", "0.3", "--format", "json", *(f"--attack={attack}" for attack in attacks)]
    assert auditor(*run, "--out", "whole").code == 0
    for how in (signal.SIGKILL, signal.SIGINT):
        cut = Path(how.name)
        code, said = stopped(run, cut, how)
        if how is signal.SIGINT:
            assert code == 130
            assert "--resume" in said
            assert "Traceback" not in said
        assert auditor(*run, "--out", cut, "--resume").code == 0
        assert comparable(cut) == comparable(Path("whole")), how


def stopped(run: list[str], out: Path, how: signal.Signals) -> tuple[int, str]:
    """The exit code and the errors of a run that was stopped by a signal once it had found something."""
    manifest, deadline = out / "state" / "manifest.sqlite", time.monotonic() + 60
    with started([sys.executable, "-m", "auditor", *run, "--out", str(out)], stderr=subprocess.PIPE) as process:
        while time.monotonic() < deadline and process.poll() is None:
            if manifest.exists() and any(out.glob("evidence/**/*.safetensors")):
                break
            time.sleep(0.02)
        assert process.poll() is None, "the run ended before it could be stopped"
        process.send_signal(how)
        _, said = process.communicate(timeout=60)
    assert not (out / "result.json").exists()
    return process.returncode, said


def test_verify_runs_no_code_that_a_run_names(auditor: Callable, plain: Path, digits: Path) -> None:
    auditor("scan", plain, "--data", digits, "--eps", "0.1", "--out", "r", *FAST)
    Path("evil.py").write_text("import pathlib\npathlib.Path('pwned').touch()\ndef build(): return None\n")
    result = record(Path("r"))
    result["models"][0]["path"] = "evil:build"
    result["settings"]["trust"] = True
    Path("r/result.json").write_text(json.dumps(result))
    outcome = auditor("verify", "r")
    assert (outcome.code, Path("pwned").exists()) == (4, False)
    assert "--trust" in outcome.err
    assert auditor("verify", "r", "--model", plain).code == 0


FORGERIES = {
    "rows removed": lambda table: table[:-3],
    "broken called robust": lambda table: [
        {**row, "outcome": "robust" if row["outcome"] == "broken" else row["outcome"]} for row in table
    ],
    "mistakes called correct": lambda table: [
        {**row, "clean_correct": "true", "outcome": "robust" if row["outcome"] == "misclassified" else row["outcome"]}
        for row in table
    ],
}


def test_verify_refutes_forged_tables(auditor: Callable, demo: Path, digits: Path) -> None:
    auditor("scan", demo / "plain.onnx", "--data", digits, "--eps", "0.1", "--out", "r", *FAST, "--samples", 250)
    honest = rows(Path("r"))
    for name, forge in FORGERIES.items():
        table = forge(honest)
        assert table != honest, name
        with Path("r/samples.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, table[0].keys())
            writer.writeheader()
            writer.writerows(table)
        outcome = auditor("verify", "r")
        assert (outcome.code, "REFUTED" in outcome.out) == (1, True), name


def test_no_budget_is_called_robust_where_no_attack_could_run(auditor: Callable, plain: Path, digits: Path) -> None:
    flags = ("--norm", "spatial", "--eps", "0.3", "--eps", "0.5", "--attack", "fgsm", "--format", "json")
    assert auditor("scan", plain, "--data", digits, "--samples", 20, "--out", "r", *flags).code == 3
    threats = record(Path("r"))["models"][0]["threats"]
    assert [threat["robust_accuracy"] for threat in threats] == [None, None]


def test_a_baseline_on_other_samples_is_refused_before_anything_runs(
    auditor: Callable, plain: Path, digits: Path
) -> None:
    auditor("scan", plain, "--data", digits, "--out", "before", *FAST)
    known = np.load(digits)
    np.savez("other.npz", x=1.0 - known["x"] / 255.0, y=known["y"])
    gate = ("--baseline", "before", "--max-drop", "0.1")
    outcome = auditor("scan", plain, "--data", "other.npz", "--out", "after", *FAST, *gate)
    assert (outcome.code, "other samples" in outcome.err) == (2, True)


def test_a_baseline_that_shares_samples_is_compared_on_those(auditor: Callable, plain: Path, digits: Path) -> None:
    auditor("scan", plain, "--data", digits, "--out", "before", *FAST)
    gate = ("--baseline", "before", "--max-drop", "0.9", "--samples", 60)
    outcome = auditor("scan", plain, "--data", digits, "--out", "after", *(FAST + gate))
    assert outcome.code == 0
    (model,) = record(Path("after"))["models"]
    drop = model["threats"][0]["drop"]
    shared = {row["digest"] for row in rows(Path("before"))} & {row["digest"] for row in rows(Path("after"))}
    assert 0 < drop["n"] == len(shared) < 60
    (finding,) = (f for f in model["findings"] if f["code"] == "AUD306")
    assert f"only the {len(shared)} that both hold are compared" in finding["detail"]
    assert auditor("verify", "after").code == 0


def test_a_baseline_without_a_gate_is_told_as_a_finding(auditor: Callable, plain: Path, digits: Path) -> None:
    auditor("scan", plain, "--data", digits, "--out", "before", *FAST)
    assert auditor("scan", plain, "--data", digits, "--out", "after", *FAST, "--baseline", "before").code == 0
    findings = record(Path("after"))["models"][0]["findings"]
    assert [f["severity"] for f in findings if f["code"] == "AUD306"] == ["info"]


def test_verify_refutes_a_verdict_that_the_numbers_do_not_give(auditor: Callable, plain: Path, digits: Path) -> None:
    run = ("scan", plain, "--data", digits, "--eps", "0.1", "--out", "r", *FAST, "--min-robust-accuracy", "0.9")
    assert auditor(*run).code == 1
    result = record(Path("r"))
    result |= {"verdict": "pass", "exit_code": 0}
    result["gates"][0]["outcome"] = "pass"
    Path("r/result.json").write_text(json.dumps(result))
    outcome = auditor("verify", "r")
    assert (outcome.code, "REFUTED" in outcome.out) == (1, True)


def test_only_a_run_that_was_begun_is_resumed(auditor: Callable, plain: Path, digits: Path) -> None:
    Path("r").mkdir()
    Path("r/mine.txt").write_text("precious")
    outcome = auditor("scan", plain, "--data", digits, "--out", "r", "--resume", *FAST)
    assert (outcome.code, [p.name for p in Path("r").iterdir()]) == (2, ["mine.txt"])


def test_samples_that_were_left_out_are_named_on_the_terminal(auditor: Callable, plain: Path, tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((30, 28, 28)).astype(np.float32)
    x[7, 3, 3] = np.nan
    np.savez(tmp_path / "d.npz", x=x, y=np.arange(30) % 10)
    outcome = auditor("scan", plain, "--data", "d.npz", "--out", "r", "--attack", "fgsm", "--format", "markdown")
    assert "Left out" in outcome.out
    assert record(Path("r"))["data"]["skipped"][0]["name"] in outcome.out


def test_a_terminal_that_knows_no_dash_does_not_change_the_exit_code(plain: Path, digits: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "auditor", "scan", plain, "--data", digits, *map(str, FAST), "--eps", "0.1"]
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)


def test_a_graph_that_gives_no_gradients_is_audited_by_asking_it(auditor: Callable, tmp_path: Path) -> None:
    """A support vector machine, which only ONNX Runtime can run; class 1 where the first half is brighter."""
    import onnx
    from onnx import TensorProto, helper

    side = [1.0] * 32 + [-1.0] * 32
    node = helper.make_node(
        "SVMClassifier",
        ["x"],
        ["label", "scores"],
        domain="ai.onnx.ml",
        kernel_type="LINEAR",
        kernel_params=[0.0, 0.0, 0.0],
        coefficients=[*(-v for v in side), *side],
        rho=[0.0],
        classlabels_ints=[0, 1],
        post_transform="NONE",
    )
    outputs = [("label", TensorProto.INT64, ["n"]), ("scores", TensorProto.FLOAT, ["n", 2])]
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 64])],
        [helper.make_tensor_value_info(*output) for output in outputs],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), "linear.onnx")
    x = np.random.default_rng(0).integers(60, 190, (60, 8, 8)).astype(np.uint8)
    y = (x[:, :4].mean((1, 2)) > x[:, 4:].mean((1, 2))).astype(np.int64)
    np.savez("d.npz", x=x, y=y)
    assert auditor("scan", "linear.onnx", "--data", "d.npz", "--eps", "0.1", "--suite", "quick", "--out", "r").code == 0
    (model,) = record(Path("r"))["models"]
    statuses = {attack["name"]: attack["status"] for attack in model["threats"][0]["attacks"]}
    assert (model["gradients"], statuses["apgd-margin"], statuses["square-refine"]) == ("none", "skipped", "ran")
    assert model["threats"][0]["robust_accuracy"] < 0.5
    (finding,) = [f for f in model["findings"] if f["code"] == "AUD114"]
    assert "SVMClassifier" in finding["detail"]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_what_attacks_searched_with_is_in_the_record(
    auditor: Callable, plain: Path, digits: Path, precision: str
) -> None:
    flags = ("--eps", "0.06", "--precision", precision, "--out", "r", *FAST)
    assert auditor("scan", plain, "--data", digits, *flags).code == 0
    result = record(Path("r"))
    assert result["settings"]["precision"] == precision
    assert result["models"][0]["details"]["search"]["precision"] == precision
    assert auditor("verify", "r").code == 0


def test_an_unknown_precision_is_refused(auditor: Callable, plain: Path, digits: Path) -> None:
    outcome = auditor("scan", plain, "--data", digits, "--precision", "int4", "--out", "r", *FAST)
    assert (outcome.code, "precision" in outcome.err) == (2, True)


def test_a_resumed_run_keeps_what_attacks_searched_with(
    auditor: Callable, plain: Path, digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ("--eps", "0.06", "--precision", "bfloat16", "--out", "r", *FAST)
    auditor("scan", plain, "--data", digits, *flags)
    before = comparable(Path("r"))
    monkeypatch.setattr("auditor.engine.model_audit.choose_search", None)
    assert auditor("scan", plain, "--data", digits, *flags, "--resume").code == 0
    assert comparable(Path("r")) == before


def test_corruptions_give_the_worst_case_and_a_table(auditor: Callable, plain: Path, digits: Path) -> None:
    flags = ("--norm", "corruption", "--eps", 2, "--corruptions", "noise,contrast", "--samples", 40, "--out", "r")
    outcome = auditor("scan", plain, "--data", digits, *flags, "--format", "json,html,markdown")
    assert outcome.code == 0
    (model,) = record(Path("r"))["models"]
    (threat,) = model["threats"]
    cells = {(cell["name"], cell["severity"]): cell["accuracy"] for cell in threat["corruptions"]}
    names = ("gaussian_noise", "shot_noise", "impulse_noise", "contrast", "speckle_noise", "uniform_noise")
    assert set(cells) == {(name, severity) for name in names for severity in (1, 2)}
    # No sample is robust that some corruption misleads, and here all draws are the same ones.
    assert 0 < threat["robust_accuracy"] <= min(cells.values())
    assert threat["mean_corruption_error"] == pytest.approx(1 - sum(cells.values()) / len(cells))
    assert auditor("verify", "r").code == 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--eps", "8/255"), "1, 2, 3, 4 or 5"),
        (("--eps", "2.5"), "1, 2, 3, 4 or 5"),
        (("--corruptions", "frog"), "Did you mean 'fog'"),
    ],
)
def test_corruptions_that_cannot_be_meant_are_refused(
    auditor: Callable, plain: Path, digits: Path, flags: tuple[str, ...], said: str
) -> None:
    outcome = auditor("scan", plain, "--data", digits, "--norm", "corruption", *flags, "--out", "r")
    assert outcome.code == 2
    assert said in " ".join(outcome.err.split())


def test_corruption_errors_are_measured_by_those_of_a_baseline(auditor: Callable, plain: Path, digits: Path) -> None:
    flags = ("--norm", "corruption", "--eps", 5, "--corruptions", "contrast", "--samples", 40, "--format", "json")
    assert auditor("scan", plain, "--data", digits, *flags, "--out", "before").code == 0
    outcome = auditor("scan", plain, "--data", digits, *flags, "--out", "after", "--baseline", "before")
    assert record(Path("after"))["models"][0]["threats"][0]["normalised_corruption_error"] == pytest.approx(1.0)
    assert "100% of the baseline's errors" in " ".join(outcome.out.split())
