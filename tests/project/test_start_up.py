"""Commands that only talk do not pay for what only work needs."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from auditor import __version__

HEAVY = {"torch", "torchvision", "onnx", "onnxruntime", "numpy", "PIL", "safetensors", "jinja2"}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-X", "importtime", "-m", "auditor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True)


def imported(process: subprocess.CompletedProcess[str]) -> set[str]:
    return set(re.findall(r"\|\s*([\w.]+)$", process.stderr, flags=re.MULTILINE))


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["plugins"], ["scan", "--help"], ["demo", "--help"]])
def test_talking_imports_nothing_heavy(arguments: list[str]) -> None:
    modules = imported(run(*arguments))
    assert "auditor.cli" in modules
    assert not modules & HEAVY


def test_a_scan_imports_no_compiler(tmp_path: Path) -> None:
    demo = Path(str(files("auditor.demo")))
    scan = ("scan", str(demo / "plain.onnx"), "--data", str(demo / "digits.npz"), "--samples", "8", "--eps", "0.1")
    modules = imported(run(*scan, "--attack", "pgd:steps=2", "--out", str(tmp_path / "run")))
    assert {"auditor.engine.audit", "torch"} <= modules
    # They take as long to import as PyTorch itself.
    assert not modules & {"torch._dynamo", "torch._inductor", "sympy"}


def test_the_version_is_the_packages() -> None:
    assert run("--version").stdout == f"auditor {__version__}\n"


def test_plugins_names_distributions_and_hooks() -> None:
    lines = run("plugins").stdout.splitlines()
    (attacks,) = [line.split() for line in lines if line.startswith("attacks ")]
    assert attacks == ["attacks", "auditor", __version__, "attacks,", "extractions,", "find_attack"]
