"""Commands that only talk do not pay for what only work needs."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from auditor import __version__

HEAVY = {"torch", "torchvision", "onnx", "onnxruntime", "numpy", "PIL", "safetensors", "jinja2"}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-X", "importtime", "-m", "auditor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["plugins"], ["scan", "--help"], ["demo", "--help"]])
def test_talking_imports_nothing_heavy(arguments: list[str]) -> None:
    imported = set(re.findall(r"\|\s*([\w.]+)$", run(*arguments).stderr, flags=re.MULTILINE))
    assert "auditor.cli" in imported
    assert not imported & HEAVY


def test_the_version_is_the_packages() -> None:
    assert run("--version").stdout == f"auditor {__version__}\n"


def test_plugins_names_distributions_and_hooks() -> None:
    lines = run("plugins").stdout.splitlines()
    (attacks,) = [line.split() for line in lines if line.startswith("attacks ")]
    assert attacks == ["attacks", "auditor", __version__, "attacks,", "extractions,", "find_attack"]
