"""Scans of models behind wrappers: what is audited, recorded, verified and resumed, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from auditor.result.evidence import read_evidence
from tests.cli.conftest import Outcome

Auditor = Callable[..., Outcome]

HONEST = "--trust --samples 24 --eps 0.1 --attack pgd:steps=5 --no-escalation"


@pytest.fixture(scope="module")
def digits_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from auditor.selftest.data import write

    return write("digits", tmp_path_factory.mktemp("data"))


MODEL = "auditor.selftest.networks:PLACEHOLDER"


def model_of(run: Path) -> dict[str, Any]:
    (model,) = json.loads((run / "result.json").read_text())["models"]
    found: dict[str, Any] = model
    return found
