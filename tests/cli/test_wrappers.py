"""Scans of models behind wrappers: what is audited, recorded, verified and resumed, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.conftest import Outcome

Auditor = Callable[..., Outcome]

SHORT = ["--samples", "24", "--eps", "0.1", "--attack", "pgd:steps=5", "--no-escalation", "--format", "json"]


def model_of(run: Path) -> dict[str, Any]:
    (model,) = json.loads((run / "result.json").read_text())["models"]
    found: dict[str, Any] = model
    return found


def test_what_is_audited_is_the_model_behind_its_wrappers(
    auditor: Auditor, plain: Path, digits: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    done = auditor(
        "scan", plain, "--data", digits, *SHORT, "--out", run, "--wrapper", "jpeg:quality=40", "--wrapper", "bit-depth"
    )
    model = model_of(run)
    assert [(w["name"], w["parameters"], w["random"]) for w in model["wrappers"]] == [
        ("jpeg", {"quality": 40}, False),
        ("bit-depth", {"bits": 3}, False),
    ]
    assert model["draws"] == 1
    assert "behind jpeg:quality=40, behind bit-depth:bits=3" in " ".join(done.out.split())
    assert auditor("verify", run).code == 0
    # The same examples, judged without the wrappers or behind others, are not all examples.
    record = json.loads((run / "result.json").read_text())
    record["settings"]["wrappers"] = [{"name": "bit-depth", "parameters": {"bits": 1}}]
    (run / "result.json").write_text(json.dumps(record))
    assert auditor("verify", run).code == 1


def test_a_wrapper_that_draws_is_judged_by_majorities_and_its_run_resumes_and_holds(
    auditor: Auditor, plain: Path, digits: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    Path("auditor.toml").write_text('wrapper = "random-resize:smallest=0.8"\n')
    flags = ["scan", plain, "--data", digits, *SHORT, "--out", run]
    auditor(*flags)
    model = model_of(run)
    assert model["draws"] == 20
    assert model["threats"][0]["expectation"]["draws"] == 20
    before = (run / "samples.csv").read_text()
    (run / "result.json").unlink()
    auditor(*flags, "--resume")
    assert (run / "samples.csv").read_text() == before
    assert auditor("verify", run).code == 0
    Path("auditor.toml").unlink()
    other = auditor(*flags, "--resume")
    assert other.code == 2
    assert "begun with other wrappers" in other.err


@pytest.mark.parametrize(
    ("wrapper", "said"),
    [
        ("jepg", "it is not installed. Did you mean 'jpeg'?"),
        ("pgd", "it is no wrapper but a training recipe"),
        ("jpeg:quality=0", "quality=0 lies outside 1 … 100"),
        ("jpeg:level=3", "jpeg has no parameter 'level'"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_read(
    auditor: Auditor, plain: Path, wrapper: str, said: str
) -> None:
    done = auditor("scan", plain, "--data", "nowhere.npz", "--wrapper", wrapper)
    assert done.code == 2
    assert said in " ".join(done.err.split())


def test_a_wrapper_for_images_says_that_tables_are_none(auditor: Auditor, tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((40, 30), dtype=np.float32)
    np.savez(tmp_path / "table.npz", x=x, y=(x[:, 1] > x[:, 0]).astype(np.int64))
    # In the folder that commands are run in; the first two columns decide.
    (tmp_path / "tables.py").write_text(
        "import torch\nclass Net(torch.nn.Module):\n    def forward(self, x):\n        return x[:, :2]\n"
    )
    flags = ["tables:Net", "--trust", "--data", tmp_path / "table.npz", "--eps", "0.1", "--attack", "fgsm"]
    done = auditor("scan", *flags, "--wrapper", "tv", "--out", tmp_path / "run")
    assert done.code == 2
    assert "--wrapper tv: it works on images, and these samples have the shape (30,)." in " ".join(done.err.split())
    assert auditor("scan", *flags, "--wrapper", "bit-depth", "--out", tmp_path / "other").code in (0, 3)


def test_smoothing_proves_a_share_that_no_attack_contradicts_and_verify_counts_it_again(
    auditor: Auditor, demo: Path, digits: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    flags = [
        "--samples",
        "16",
        "--eps",
        "l2:0.3",
        "--eps",
        "l2:1.5",
        "--attack",
        "pgd:steps=3",
        "--eot",
        "4",
        "--no-escalation",
        "--out",
    ]
    auditor("scan", demo / "hardened.onnx", "--data", digits, *flags, run, "--wrapper", "smoothing:n=150,n0=20")
    model = model_of(run)
    near, far = model["threats"]
    assert 0.5 <= near["certified_accuracy"] <= near["robust_accuracy"]
    assert (far["certified_accuracy"], near["certified_broken"], far["certified_broken"]) == (0.0, 0, 0)
    # With 150 votes no radius exceeds that of all votes.
    assert 0.3 < model["certificate"]["curve"][-1][0] < 0.43
    assert model["draws"] == 100
    assert "certified: a lower bound" in (run / "report.html").read_text()
    assert auditor("verify", run).code == 0
    text = (run / "certified.csv").read_text().splitlines()
    assert text[0] == "model,index,label,prediction,radius"
    assert len(text) == 17
    changed = text[1].rpartition(",")[0] + ",1.6"
    (run / "certified.csv").write_text("\n".join([text[0], changed, *text[2:]]))
    refuted = auditor("verify", run)
    assert refuted.code == 1
    assert "another certified accuracy" in " ".join(refuted.out.split())


def test_a_proof_holds_only_of_samples_that_meet_it_first(
    auditor: Auditor, plain: Path, digits: Path, tmp_path: Path
) -> None:
    done = auditor(
        "scan", plain, "--data", digits, "--wrapper", "jpeg", "--wrapper", "smoothing", "--out", tmp_path / "r"
    )
    assert done.code == 2
    assert "--wrapper smoothing proves something only of samples that meet it first" in " ".join(done.err.split())
