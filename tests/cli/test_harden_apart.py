"""`auditor harden --isolate`: all of it is handed to another process, once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from auditor.isolation import whole
from auditor.isolation.ending import MARK


@pytest.mark.parametrize("source", ["flag", "file"])
def test_harden_hands_all_of_itself_over_once(
    auditor: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str
) -> None:
    handed = []

    def run_apart(*arguments: Any) -> int:
        handed.append(arguments)
        return 3

    monkeypatch.setattr(whole, "run_apart", run_apart)
    said = ["--isolate", "--isolate-time", "90s", "--isolate-memory", "2"]
    if source == "file":
        (tmp_path / "auditor.toml").write_text('isolate = ["acme"]\nisolate-time = "90s"\nisolate-memory = 2\n')
        said = []
    flags = ["net.onnx", "--data", "x.npz", "--eps", "0.1", "--out", "here", *said]
    assert auditor("harden", *flags).code == 3
    assert handed == [(["harden", *flags], Path("here"), Path("here") / "hardened.json", 90.0, 2.0**31)]
    monkeypatch.setenv(MARK, "x")
    assert "net.onnx" in auditor("harden", *flags).err  # Inside, it goes on: there is no such file.
    assert len(handed) == 1
