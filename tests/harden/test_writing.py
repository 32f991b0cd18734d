"""What was written is compared with what was trained."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from auditor.errors import ModelError
from auditor.harden.writing import check


def answering(probability: float) -> Any:
    """A file that gives the first of two classes this probability, whatever it is asked."""
    row = torch.tensor([probability, 1.0 - probability]).log()
    return SimpleNamespace(source="model.onnx", answer=lambda x: row.expand(len(x), 2))


X, TRAINED = torch.zeros(3, 1), torch.tensor([0.6, 0.4]).log().expand(3, 2)


def test_a_file_that_answers_otherwise_is_refused() -> None:
    assert check(answering(0.6), TRAINED, X) < 1e-6
    with pytest.raises(ModelError, match=r"differ by up to 0\.05"):
        check(answering(0.65), TRAINED, X)


def test_a_network_that_rounds_may_be_written_without_its_rounding_and_with_no_other_weights() -> None:
    assert check(answering(0.65), TRAINED, X, rounds=True) == pytest.approx(0.05)
    with pytest.raises(ModelError, match="must not be deployed"):
        check(answering(0.1), TRAINED, X, rounds=True)
