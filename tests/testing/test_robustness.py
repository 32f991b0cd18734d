"""An audit as one line of a test."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import torch
from torch import Tensor, nn

from auditor.errors import UsageError
from auditor.testing import assert_robust

Batch = tuple[Tensor, Tensor]


class Threshold(nn.Module):
    """Two classes by whether the mean pixel is above one half; BatchNorm and dropout would show a wrong mode."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(16, 2)
        self.drop = nn.Dropout(0.9)
        with torch.no_grad():
            self.linear.weight.copy_(torch.stack([-torch.ones(16), torch.ones(16)]))
            self.linear.bias.copy_(torch.tensor([8.0, -8.0]))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(self.drop(x.flatten(1)))
        return out


@pytest.fixture
def samples() -> Batch:
    """Half of them 0.3 from the border, half 0.05: at 0.1 half of the samples fall."""
    y = torch.arange(80) % 2
    off = torch.where(torch.arange(80) < 40, 0.3, 0.05)
    texture = torch.rand(80, 16, generator=torch.Generator().manual_seed(0)) * 0.2
    texture -= texture.mean(1, keepdim=True)
    x = (0.5 + (2 * y - 1) * off)[:, None] + texture
    return x.reshape(80, 1, 4, 4), y


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_model_that_is_robust_enough_passes_and_leaves_nothing_behind(samples: Batch, tmp_path: Path) -> None:
    result = assert_robust(Threshold(), samples, eps=0.02, at_least=0.8)
    assert result.models[0].threats[0].robust_accuracy == 1.0
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []


def test_one_that_is_not_fails_with_its_numbers_and_keeps_the_report(samples: Batch) -> None:
    with pytest.raises(AssertionError, match=r"fail: .*50\.0%, and 80\.0% is required") as raised:
        assert_robust(Threshold(), samples, eps="0.1", at_least=0.8)
    lines = str(raised.value).splitlines()
    assert lines[1].startswith("  clean accuracy 100.0%")
    assert lines[2].startswith("  under linf 0.1 50.0%")
    assert Path(lines[-1].removeprefix("  report: ")).read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_what_is_left_open_does_not_pass(samples: Batch) -> None:
    with pytest.raises(AssertionError, match=r"inconclusive: .* samples would decide"):
        assert_robust(Threshold(), samples, eps=0.1, at_least=0.5)


def test_a_later_failure_replaces_the_report_and_nothing_else_does(samples: Batch, tmp_path: Path) -> None:
    for at_least in (0.8, 0.9):
        with pytest.raises(AssertionError, match="fail"):
            assert_robust(Threshold(), samples, eps=0.1, at_least=at_least, report="kept")
    assert json.loads(Path("kept/result.json").read_bytes())["gates"][0]["threshold"] == 0.9
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(Exception, match="exists already"):
        assert_robust(Threshold(), samples, eps=0.1, at_least=0.8, report="mine")
    assert (tmp_path / "mine" / "thesis.txt").exists()


def test_the_module_is_left_as_it_was(samples: Batch) -> None:
    module = Threshold().train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    assert_robust(module, samples, eps=0.02, at_least=0.8)
    assert module.training
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


def test_files_and_settings_serve_as_in_a_scan() -> None:
    demo = Path(str(files("auditor.demo")))
    result = assert_robust(
        demo / "hardened.onnx", demo / "digits.npz", eps="2/255", at_least=0.5, samples=40, seed=3, norm="l2"
    )
    assert (result.data.n, result.settings["seed"], result.models[0].threats[0].norm) == (40, 3, "l2")


def test_settings_that_make_no_sense_are_told_as_such(samples: Batch) -> None:
    with pytest.raises(UsageError, match="Did you mean 8/255"):
        assert_robust(Threshold(), samples, eps=8, at_least=0.5)
    with pytest.raises(UsageError, match="'sampels'"):
        assert_robust(Threshold(), samples, eps=0.1, at_least=0.5, sampels=3)


TEST = """
from pathlib import Path
import auditor.demo
FOLDER = Path(auditor.demo.__file__).parent
def test_it_stands(assert_robust):
    assert_robust(FOLDER / "plain.onnx", FOLDER / "digits.npz", samples=20, eps=0.3, at_least=0.9)
"""


def test_the_fixture_keeps_the_report_under_the_tests_name_and_tells_junit(tmp_path: Path) -> None:
    (tmp_path / "test_net.py").write_text(TEST, encoding="utf-8")
    installed = {entry.value for entry in importlib.metadata.entry_points(group="pytest11")}
    known = [] if "auditor.testing.pytest_plugin" in installed else ["-p", "auditor.testing.pytest_plugin"]
    command = [sys.executable, "-m", "pytest", "-q", *known, "--junitxml", "out.xml", "--auditor-reports", "reports"]
    done = subprocess.run([*command, "test_net.py"], env={**os.environ}, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "fail: plain: robust accuracy under linf 0.3" in done.stdout
    report = tmp_path / "reports" / "test_net.py-test_it_stands" / "report.html"
    assert report.is_file()
    properties = {item.get("name"): item.get("value") for item in ET.parse("out.xml").getroot().iter("property")}
    assert properties["auditor_report"] == "reports/test_net.py-test_it_stands/report.html"
