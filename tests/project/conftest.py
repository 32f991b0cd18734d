"""A directory as the documentation assumes it, and the command line run in this process."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def shell(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[str], Outcome]:
    """Runs a line that starts with `auditor` through the real entry point, in an empty directory of 80 columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def run(line: str) -> Outcome:
        from auditor.__main__ import main

        monkeypatch.setattr(sys, "argv", shlex.split(line))
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        code = stopped.value.code
        return Outcome(code if isinstance(code, int) else 0, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def yours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pages call yours: a model, the one before it, digits.npz and a folder of class folders."""
    folder = tmp_path_factory.mktemp("yours")
    with as_file(files("auditor.demo")) as demo:
        shutil.copy(demo / "hardened.onnx", folder / "model.onnx")
        shutil.copy(demo / "plain.onnx", folder / "before.onnx")
        shutil.copy(demo / "digits.npz", folder / "digits.npz")
    data = np.load(folder / "digits.npz")
    for label in range(10):
        place = folder / "images" / str(label)
        place.mkdir(parents=True)
        for index in np.flatnonzero(data["y"] == label)[:2]:
            Image.fromarray(data["x"][index, 0]).save(place / f"{index}.png")
    return folder
