"""A command in a process of its own: it ends as it would here, and what takes it down is a sentence."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path

import pytest

from auditor.errors import PluginError
from auditor.isolation import whole

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

_DONE = "import sys, pathlib; p = pathlib.Path(sys.argv[2]); p.write_text('x'); "
ENDS = {
    "leaves as if it were done": ("import os; os._exit(0)", "ended by itself, with exit status 0"),
    "leaves": ("import os; os._exit(9)", "ended by itself, with exit status 9"),
    "crashes": ("import os; os.abort()", "was killed by SIGABRT"),
    "loops": ("while True: pass", "wrote nothing for 0.5 s and was stopped"),
}
if sys.platform == "linux":
    ENDS["grows"] = ("a = []\nwhile True: a.append(bytearray(b'x' * 2**22))", "took more than 0.125 GiB of memory")


@pytest.mark.parametrize("how", ENDS)
def test_a_command_that_does_not_come_to_its_end_is_a_sentence(
    how: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(whole, "_BOOT", ENDS[how][0])
    seconds, memory = (0.5 if how == "loops" else 60.0), (2.0**27 if how == "grows" else math.inf)
    with pytest.raises(PluginError, match=ENDS[how][1]):
        whole.run_apart([], tmp_path, tmp_path / "done", seconds, memory)


@pytest.mark.parametrize("code", [0, 1, 2, 3])
def test_one_that_does_answers_as_it_would_here(code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(whole, "_BOOT", f"{_DONE} sys.exit({code})")
    assert whole.run_apart([str(tmp_path / "done")], tmp_path, tmp_path / "done") == code


def test_writing_is_a_sign_of_life(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    alive = "import time\nfor i in range(8): p.write_text(str(i)); time.sleep(0.25)"
    monkeypatch.setattr(whole, "_BOOT", f"{_DONE}\n{alive}")
    assert whole.run_apart([str(tmp_path / "done")], tmp_path, tmp_path / "done", seconds=1.5) == 0
