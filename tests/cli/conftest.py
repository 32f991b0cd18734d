"""The embedded example, and the command line run in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import pytest


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def auditor(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Outcome]:
    """Run `auditor ARGUMENTS` in an empty directory, through the real entry point."""
    from auditor.__main__ import main

    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["auditor", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        code = stopped.value.code
        return Outcome(code if isinstance(code, int) else 0, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def demo() -> Path:
    return Path(str(files("auditor.demo")))


@pytest.fixture
def plain(demo: Path) -> Path:
    return demo / "plain.onnx"


@pytest.fixture
def digits(demo: Path) -> Path:
    return demo / "digits.npz"
