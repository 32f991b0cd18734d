"""`auditor scan` of several models: matrices of what fools each when it was made on each other."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.children import started

ASKED = ("--samples", "40", "--attack", "apgd:steps=10", "--eps", "0.2", "--format", "json,markdown")


def transfer(run: str) -> Any:
    return json.loads((Path(run) / "result.json").read_text())["transfer"]


def cells(run: str, number: int = 0) -> dict[tuple[str, str], Any]:
    return {(one["source"], one["target"]): one for one in transfer(run)["matrices"][number]["cells"]}


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory, demo: Path) -> Path:
    """A linear classifier of the demo's digits, by least squares, as an exported program that takes flat rows."""
    with np.load(demo / "digits.npz") as data:
        x = torch.from_numpy(data["x"].reshape(len(data["x"]), -1)).float() / 255.0
        y = torch.from_numpy(data["y"]).long()
    wanted = nn.functional.one_hot(y, 10).double()
    ridge = x.double().T @ x.double() + 30.0 * torch.eye(x.shape[1], dtype=torch.float64)
    layer = nn.Linear(x.shape[1], 10, bias=False)
    layer.weight.data = (10.0 * torch.linalg.solve(ridge, x.double().T @ wanted)).T.float()
    path = tmp_path_factory.mktemp("linear") / "linear.pt2"
    batch = torch.export.Dim("batch", min=1, max=512)
    torch.export.save(torch.export.export(layer.eval(), (x[:4],), dynamic_shapes=({0: batch},)), path)
    return path


def test_models_of_different_formats_are_tried_on_each_other(
    auditor: Callable, demo: Path, digits: Path, linear: Path
) -> None:
    models = (demo / "plain.onnx", demo / "hardened.onnx", linear)
    done = auditor("scan", *models, "--data", digits, *ASKED, "--out", "run")
    assert done.code == 0, done.err
    told = transfer("run")
    assert told["models"] == ["plain", "hardened", "linear"]
    assert [(m["norm"], m["eps"], m["attack"]) for m in told["matrices"]] == [
        ("linf", 0.2, "pgd-ce"),
        ("linf", 0.2, "transfer"),
    ]
    assert len(told["agreements"]) == 3
    for number in (0, 1):
        found = cells("run", number)
        assert len(found) == 9
        assert all(one["rate"] is not None and one["noise"] is not None for one in found.values())
        assert found["plain", "hardened"]["rate"] < found["hardened", "plain"]["rate"]
    assert "transfer  rows: made on" in done.out
    assert "## Transfer" in Path("run/summary.md").read_text()


def test_a_run_with_matrices_is_verified_reported_and_compared(
    auditor: Callable, demo: Path, plain: Path, digits: Path
) -> None:
    asked = ("--data", digits, *ASKED)
    assert auditor("scan", plain, demo / "hardened.onnx", *asked, "--out", "run").code == 0
    assert auditor("verify", "run").code == 0
    assert auditor("report", "run", "--format", "html,markdown").code == 0
    assert auditor("compare", "run", "run").code == 0


def test_one_model_and_a_flag_leave_matrices_out(auditor: Callable, demo: Path, plain: Path, digits: Path) -> None:
    asked = ("--data", digits, *ASKED)
    assert "transfer" not in auditor("scan", plain, *asked, "--out", "one").out
    assert auditor("scan", plain, demo / "hardened.onnx", *asked, "--no-transfer", "--out", "none").code == 0
    assert (transfer("one"), transfer("none")) == (None, None)
    assert not Path("none/transfer").exists()


def test_a_model_that_cannot_be_audited_is_no_part_of_it(
    auditor: Callable, demo: Path, plain: Path, digits: Path
) -> None:
    Path("broken.onnx").write_bytes(b"nothing of the kind")
    assert (
        auditor("scan", plain, "broken.onnx", demo / "hardened.onnx", "--data", digits, *ASKED, "--out", "run").code
        == 4
    )
    assert transfer("run")["models"] == ["plain", "hardened"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--transfer-attack", "pdg"], "No installed attack is called 'pdg'"),
        (["--transfer-attack", "pgd:step=3"], "Did you mean 'steps'"),
        (["--transfer-attack", "cw"], "looks for the smallest change"),
        (["--transfer-attack", "pgd", "--transfer-attack", "pgd"], "--transfer-attack 'pgd' is asked for twice"),
    ],
)
def test_attacks_that_cannot_be_meant_are_refused_before_anything_is_read(
    asked: list[str], said: str, auditor: Callable, demo: Path, plain: Path
) -> None:
    done = auditor("scan", plain, demo / "hardened.onnx", "--data", "nowhere.npz", *asked, "--out", "run")
    assert done.code == 2
    assert said in done.err


def test_the_configuration_file_names_transfer_attacks(
    auditor: Callable, demo: Path, plain: Path, digits: Path
) -> None:
    Path("auditor.toml").write_text('transfer-attacks = ["mifgsm:steps=3"]\n')
    auditor("scan", plain, demo / "hardened.onnx", "--data", digits, *ASKED, "--out", "run")
    (matrix,) = transfer("run")["matrices"]
    assert (matrix["attack"], matrix["parameters"]["steps"]) == ("mifgsm", 3)
    assert {source["forwards"] // source["attacked"] for source in matrix["sources"]} == {3}


def test_verify_counts_the_cells_again_from_the_examples_that_are_kept(
    auditor: Callable, demo: Path, plain: Path, digits: Path
) -> None:
    models = (plain, demo / "hardened.onnx")
    auditor("scan", *models, "--data", digits, *ASKED, "--transfer-attack", "pgd:steps=3", "--out", "run")
    (matrix,) = transfer("run")["matrices"]
    fooled = sum(cell["fooled"] for cell in matrix["cells"] if cell["target"] == "plain")
    done = auditor("verify", "run")
    assert done.code == 0
    assert f"plain, tried on it: {matrix['attack']} linf {fooled} {fooled} confirmed" in " ".join(
        done.out.replace(f" {matrix['eps']:.4g} ", " ").split()
    )
    record = json.loads(Path("run/result.json").read_text())
    cell = next(one for one in record["transfer"]["matrices"][0]["cells"] if one["source"] != one["target"])
    cell["fooled"] += 3 if cell["fooled"] + 3 <= cell["among"] else -3
    Path("run/result.json").write_text(json.dumps(record))
    refuted = auditor("verify", "run")
    assert refuted.code == 1
    assert refuted.out.count("REFUTED") == 1


def test_verify_says_how_many_cells_it_cannot_count_again(
    auditor: Callable, demo: Path, plain: Path, digits: Path
) -> None:
    models = (plain, demo / "hardened.onnx")
    auditor("scan", *models, "--data", digits, *ASKED, "--transfer-attack", "pgd:steps=3", "--out", "run")
    (gone,) = Path("run/transfer").glob("hardened*")
    shutil.rmtree(gone)
    done = auditor("verify", "run")
    assert (done.out.count("not all kept"), done.out.count("any more: 2.")) == (2, 1)
    shutil.rmtree("run/transfer")
    done = auditor("verify", "run")
    assert done.code == 0
    assert "since run/transfer does not hold the examples any more: 4." in " ".join(done.out.split())


def timeless(told: Any) -> Any:
    told.pop("seconds")
    for matrix in told["matrices"]:
        for part in (*matrix["cells"], *matrix["sources"]):
            part.pop("seconds")
    return told


def test_a_run_that_was_killed_while_examples_were_made_resumes_to_the_same_matrices(
    auditor: Callable, demo: Path, plain: Path, digits: Path
) -> None:
    asked = ["scan", str(plain), str(demo / "hardened.onnx"), "--data", str(digits), *ASKED]
    asked += ["--transfer-attack", "pgd:steps=40", "--batch-size", "4", "--samples", "20"]
    assert auditor(*asked, "--out", "whole").code == 0
    deadline = time.monotonic() + 240
    with started([sys.executable, "-m", "auditor", *asked, "--out", "cut"], stderr=subprocess.DEVNULL) as process:
        while time.monotonic() < deadline and process.poll() is None:
            if len(list(Path("cut").glob("transfer/**/*.safetensors"))) >= 3:
                break
            time.sleep(0.01)
        assert process.poll() is None, "the run ended before it could be stopped"
        process.kill()
    assert not Path("cut/result.json").exists()
    assert auditor(*asked, "--out", "cut", "--resume").code == 0
    assert timeless(transfer("cut")) == timeless(transfer("whole"))
