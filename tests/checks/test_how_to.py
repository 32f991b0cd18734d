"""The check that docs/how-to/write-a-check.md shows is one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from auditor import Check, Norm, Threat
from tests.checks.conftest import Trained
from tests.checks.inquiries import asked, inquiry_into

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "write-a-check.md"


@pytest.fixture
def check() -> type[Check]:
    """The class from the page."""
    (code,) = re.findall(r"```python [^\n]*\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(code, str(PAGE), "exec"), names)  # noqa: S102 - our own page
    made: type[Check] = names["MoreNoise"]
    return made


def test_it_finds_samples_that_noise_breaks_and_looks_on(check: type[Check], gray: Trained, tmp_path: Path) -> None:
    wide = Threat(norm=Norm.LINF, eps=0.45)
    weak = ("pgd", {"steps": 1, "step_size": 0.01})
    inquiry = inquiry_into(gray.network, gray.x, gray.y, tmp_path, weak, threat=wide)
    findings, run = asked(check, inquiry)
    assert findings
    assert run.doubt.endswith("fell to noise alone.")
    assert run.tried == ("noise", "apgd-margin")
    assert run.evidence["broken by noise"] >= 2


def test_it_is_content_where_a_strong_attack_has_run(check: type[Check], gray: Trained, tmp_path: Path) -> None:
    strong = ("apgd", {"loss": "margin", "steps": 100, "restarts": 2})
    findings, run = asked(check, inquiry_into(gray.network, gray.x, gray.y, tmp_path, strong))
    assert (findings, run.outcome) == ([], "clear")
