"""`--surrogate`: a model whose gradients nobody sees, attacked by way of others and of a substitute of it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import helper

from tests.children import started

SHORT = ("--samples", 30, "--eps", "0.15", "--no-escalation", "--format", "json")
DISTILL = "distill:queries=300,seeds=15,epochs=2"


@pytest.fixture
def blind(plain: Path, tmp_path: Path) -> Path:
    """The plain network with an operator that has no twin, which adds nothing to its answers."""
    model = onnx.load(plain)
    graph = model.graph
    scores = graph.output[0].name
    for node in graph.node:
        node.output[:] = ["hidden scores" if name == scores else name for name in node.output]
    graph.node.extend(
        [
            helper.make_node("Sub", ["hidden scores", "hidden scores"], ["nothing"]),
            helper.make_node("Bernoulli", ["nothing"], ["never"]),
            helper.make_node("Add", ["hidden scores", "never"], [scores]),
        ]
    )
    path = tmp_path / "blind.onnx"
    onnx.save(model, path)
    return path


def model_of(run: str) -> dict[str, Any]:
    (model,) = json.loads((Path(run) / "result.json").read_text())["models"]
    found: dict[str, Any] = model
    return found


def by_name(run: str) -> dict[str, Any]:
    return {attack["name"]: attack for attack in model_of(run)["threats"][0]["attacks"]}


def test_a_model_without_gradients_falls_to_another_that_is_like_it(
    auditor: Callable, blind: Path, plain: Path, digits: Path
) -> None:
    run = ("scan", blind, "--data", digits, "--attack", "square:queries=10", *SHORT)
    assert auditor(*run, "--out", "alone").code == 0
    done = auditor(*run, "--surrogate", plain, "--surrogate", DISTILL, "--out", "r")
    assert done.code == 0
    assert "300 queries" in " ".join(done.out.split())
    assert model_of("alone")["gradients"] == "none"
    attacks = by_name("r")
    assert list(attacks)[:4] == ["surrogate:plain", "surrogate:distill", "surrogate:ensemble", "square"]
    same = attacks["surrogate:plain"]
    assert (same["access"], same["forwards"]) == ("transfer", same["attacked"])
    assert same["surrogate_backwards"] > same["attacked"]
    assert same["broken"] >= 0.8 * same["attacked"]
    robust = [model_of(name)["threats"][0]["robust_accuracy"] for name in ("alone", "r")]
    assert robust[1] < robust[0] - 0.5
    plain_record, distilled = model_of("r")["surrogates"]
    assert (plain_record["agreement"], plain_record["queries"]) == (1.0, 0)
    assert (distilled["queries"], distilled["samples"]) == (300, 15)
    assert distilled["agreement"] > 0.2
    assert auditor("verify", "r").code == 0


def test_where_gradients_broke_all_a_surrogate_costs_nothing(
    auditor: Callable, plain: Path, demo: Path, digits: Path
) -> None:
    run = ("scan", plain, "--data", digits, "--attack", "apgd:steps=20", *SHORT[:2], "--eps", "0.4", *SHORT[4:])
    assert auditor(*run, "--surrogate", demo / "hardened.onnx", "--out", "r").code == 0
    last = by_name("r")["surrogate:hardened"]
    assert (last["status"], last["surrogate_forwards"]) == ("skipped", 0)


def test_a_killed_run_resumes_to_what_an_uninterrupted_one_gives(
    auditor: Callable, blind: Path, plain: Path, digits: Path
) -> None:
    run = [
        "scan",
        blind,
        "--data",
        digits,
        "--attack",
        "square:queries=150",
        "--batch-size",
        4,
        *SHORT,
        "--samples",
        16,
    ]
    run += ["--surrogate", plain, "--surrogate", DISTILL]
    assert auditor(*run, "--out", "whole").code == 0
    deadline = time.monotonic() + 120
    command = [sys.executable, "-m", "auditor", *map(str, run), "--out", "cut"]
    with started(command, stderr=subprocess.DEVNULL) as process:
        while time.monotonic() < deadline and process.poll() is None:
            if any(Path("cut").glob("evidence/**/*.saf*")):
                break
            time.sleep(0.02)
        assert process.poll() is None, "the run ended before it could be stopped"
        process.kill()
    assert not Path("cut/result.json").exists()
    assert auditor(*run, "--out", "cut", "--resume").code == 0
    for key in ("threats", "surrogates"):
        assert timeless(model_of("cut")[key]) == timeless(model_of("whole")[key])


def timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: timeless(each) for key, each in value.items() if key != "seconds"}
    return [timeless(each) for each in value] if isinstance(value, list) else value


def test_a_surrogate_that_is_wired_wrongly_is_named_and_left_out(
    auditor: Callable, plain: Path, demo: Path, digits: Path
) -> None:
    wrong = f"{demo / 'hardened.onnx'}:mean=3.0,std=0.1"
    run = ("scan", plain, "--data", digits, "--attack", "fgsm", "--samples", 60, *SHORT[2:])
    auditor(*run, "--surrogate", wrong, "--out", "r")
    (finding,) = [each for each in model_of("r")["findings"] if each["code"] == "AUD126"]
    assert "no better than guessing" in finding["detail"]
    assert by_name("r")["surrogate:hardened"]["status"] == "skipped"


@pytest.mark.parametrize(
    ("surrogate", "said"),
    [
        ("nowhere.onnx", "--surrogate nowhere.onnx"),
        ("distill:query=3", "Did you mean 'queries'"),
        ("distill:queries=0", "queries is at least 1"),
    ],
)
def test_what_cannot_be_meant_is_said_and_nothing_is_audited(
    auditor: Callable, plain: Path, digits: Path, surrogate: str, said: str
) -> None:
    outcome = auditor("scan", plain, "--data", digits, "--surrogate", surrogate, "--out", "r", *SHORT)
    assert outcome.code == 2
    assert said in " ".join(outcome.err.split())


def test_substitutes_are_explained_and_listed(auditor: Callable) -> None:
    assert "Jacobian-based augmentation" in " ".join(auditor("explain", "distill").out.split())
    assert "extractions: distill" in auditor("plugins", "--all").out
