"""GitLab's job, the pre-commit hook and the container file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from tests.schemas import GITLAB_CI, problems

ROOT = Path(__file__).parents[2]


def gitlab() -> dict[str, object]:
    return yaml.safe_load((ROOT / "ci" / "gitlab.yml").read_text(encoding="utf-8"))[".auditor"]  # type: ignore[no-any-return]


def test_the_gitlab_job_is_what_the_schema_asks_for() -> None:
    assert problems({"audit": gitlab()}, GITLAB_CI) == []
    assert problems({"audit": {**gitlab(), "scripts": []}}, GITLAB_CI)


def test_its_lines_write_the_reports_that_it_names(tmp_path: Path) -> None:
    job, demo = gitlab(), Path(str(files("auditor.demo")))
    environ = {
        **os.environ,
        "AUDITOR_FORMAT": job["variables"]["AUDITOR_FORMAT"],  # type: ignore[index]
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "AUDITOR_MODELS": str(demo / "plain.onnx"),
        "AUDITOR_DATA": str(demo / "digits.npz"),
        "AUDITOR_SAMPLES": "10",
        "AUDITOR_EPS": "0.2",
        "AUDITOR_SUITE": "quick",
        "AUDITOR_MIN_ROBUST_ACCURACY": "0.99",
    }
    lines = "\n".join(job["script"])  # type: ignore[arg-type]
    done = subprocess.run(["bash", "-euc", lines], cwd=tmp_path, env=environ, capture_output=True, check=False)
    assert done.returncode == 1, done.stderr
    reports = job["artifacts"]["reports"]  # type: ignore[index]
    assert ET.parse(tmp_path / reports["junit"]).getroot().get("failures") == "1"
    assert "auditor_robust_accuracy{" in (tmp_path / reports["metrics"]).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("changed", "audited"),
    [("net.onnx", True), ("a/b.pt2", True), ("notes.onnx.md", False), ("weights.bin", False)],
)
def test_the_hook_sees_model_files_and_its_entry_takes_them(changed: str, audited: bool) -> None:
    [hook] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert bool(re.search(hook["files"], changed)) is audited
    assert hook["require_serial"]


def test_the_hooks_entry_fails_where_the_gate_of_the_settings_file_does(tmp_path: Path) -> None:
    demo = Path(str(files("auditor.demo")))
    settings = (
        f'data = "{demo / "digits.npz"}"\nsamples = 10\neps = "0.2"\nsuite = "quick"\nmin-robust-accuracy = 0.99\n'
    )
    (tmp_path / "auditor.toml").write_text(settings, encoding="utf-8")
    [hook] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    command = [str(Path(sys.executable).parent / "auditor"), *hook["entry"].split()[1:], str(demo / "plain.onnx")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.startswith("fail: plain")


def test_the_container_files_lines_are_shell_that_parses_and_end_in_the_command() -> None:
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]
    assert [word for word, _ in lines] == ["FROM", "COPY", "RUN", "USER", "WORKDIR", "ENTRYPOINT"]
    for word, rest in lines:
        if word == "RUN":
            assert subprocess.run(["sh", "-n", "-c", rest], check=False).returncode == 0
    assert dict(lines)["ENTRYPOINT"] == '["auditor"]'
