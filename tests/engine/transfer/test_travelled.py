"""What a report shows of what travelled: chosen evenly, and with everybody's answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from auditor.engine.transfer.examples import Examples
from auditor.engine.transfer.travelled import MOST, travelled
from auditor.engine.transfer.tried import Answers, Heard
from auditor.result.transfer import TransferSource
from tests.engine.conftest import Memory, gray
from tests.engine.transfer.models import EPS, LABELS, VALUES, Pixels, Shelf, measured, settings


def heard(**fell: list[int]) -> Heard:
    """Six samples of two classes; `a_b=[0, 2]` says which examples of `a` fool `b`, into class 7."""
    known = Heard()
    for pair, rows in fell.items():
        source, target = pair.split("_")
        known.examples[source] = Examples(TransferSource(name=source, members=(source,), status="ran"))
        fooled = np.isin(np.arange(6), rows)
        known.answers[source, target] = Answers(np.arange(6), fooled, np.where(fooled, 7, 0))
    return known


def chosen(known: Heard, labels: tuple[int, ...] = (0, 0, 0, 1, 1, 1)) -> list[tuple[str, int]]:
    made = travelled(("a", "b", "c"), known, dict.fromkeys("abc", np.array(labels)))
    return [(example.source, example.index) for example in made]


def test_sources_and_classes_take_turns_and_no_sample_comes_twice() -> None:
    every = list(range(6))
    assert chosen(heard(a_b=every, b_a=every)) == [("a", 0), ("b", 3), ("a", 1), ("b", 4), ("a", 2), ("b", 5)]


def test_what_fools_nobody_else_is_not_shown() -> None:
    assert chosen(heard(a_a=[0, 1], a_b=[2], a_c=[4], b_b=[3])) == [("a", 2), ("a", 4)]


def test_at_most_so_many_are_shown() -> None:
    known = Heard()
    known.examples["a"] = Examples(TransferSource(name="a", members=("a",), status="ran"))
    known.answers["a", "b"] = Answers(np.arange(99), np.ones(99, bool), np.ones(99, np.int64))
    assert len(travelled(("a", "b"), known, dict.fromkeys("ab", np.zeros(99, np.int64)))) == MOST


def test_each_tells_what_every_model_makes_of_it(tmp_path: Path) -> None:
    shelf = Shelf({"a": Pixels(), "b": Pixels(), "blind": Pixels([0], shift=-0.3)})
    (matrix,) = measured(shelf, Memory(gray(VALUES), torch.tensor(LABELS)), tmp_path, settings("mifgsm")).matrices
    assert matrix.travelled
    for example in matrix.travelled:
        assert example.label == LABELS[example.index]
        told = {answer.model: (answer.label, answer.fooled) for answer in example.answers}
        # The third has every sample of class 0 but the darkest wrong as it is, so it is asked about those alone.
        assert set(told) == ({"a", "b", "blind"} if example.label or VALUES[example.index] < 0.2 else {"a", "b"})
        if example.source != "blind" and abs(VALUES[example.index] - 0.5) < EPS:
            assert told["a"] == told["b"] == (1 - example.label, True)
        assert any(fooled for name, (_, fooled) in told.items() if name != example.source)
