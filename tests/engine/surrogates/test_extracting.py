"""A substitute is trained from answers that are counted, on few samples, once for a run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from auditor.engine.surrogates.answers import Answers
from auditor.engine.surrogates.surrogate import Standard, guesses, left_out
from auditor.errors import PluginError, RunError
from auditor.target.head import Head
from auditor_attacks.distill import Distill
from tests.engine.surrogates.helpers import Broken, Fit, Greedy, Slow, Tilted, extractor_of, standard_of


@pytest.fixture
def standard(build: Any, memory: Any) -> Standard:
    network = Tilted(16)
    x = torch.rand(60, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    return standard_of(build(network), memory(x, network(x).argmax(1)))


def test_questions_are_counted_and_no_more_are_answered_than_were_allowed(standard: Standard) -> None:
    oracle = Answers(standard.target, 10, soft=False, batch_size=4, deadline=float("inf"))
    x = standard.samples.fetch(range(7))
    assert oracle.ask(x).argmax(1).tolist() == standard.clean.prediction[:7].tolist()
    assert (oracle.asked, oracle.left) == (7, 3)
    with pytest.raises(PluginError, match="7 questions, and 3 are left"):
        oracle.ask(x)


def test_labels_say_nothing_but_the_class_and_scores_say_how_sure(standard: Standard) -> None:
    x = standard.samples.fetch(range(5))
    hard = Answers(standard.target, 5, soft=False, batch_size=4, deadline=float("inf")).ask(x)
    soft = Answers(standard.target, 5, soft=True, batch_size=4, deadline=float("inf")).ask(x)
    assert hard.unique().tolist() == [0.0, 1.0]
    assert torch.allclose(soft, standard.target.answer(x).softmax(1))


def test_the_substitute_of_a_linear_model_has_its_direction(standard: Standard, tmp_path: Path) -> None:
    made = extractor_of(standard, tmp_path).extract(Distill(queries=600, seeds=20, epochs=20), "distill")
    assert made.target is not None
    x = torch.rand(40, 1, 4, 4, generator=torch.Generator().manual_seed(2)).requires_grad_(True)
    logits = made.target.differentiable(x)
    (slope,) = torch.autograd.grad((logits[:, 1] - logits[:, 0]).sum(), x)
    weights = standard.target.deployed.weights  # type: ignore[attr-defined]
    alike = torch.nn.functional.cosine_similarity(slope.flatten(1), weights[None])
    assert alike.mean() > 0.85
    assert (made.record.agreement or 0.0) > 0.8


def test_it_is_told_of_at_most_half_of_the_samples_and_compared_on_the_others(
    standard: Standard, tmp_path: Path
) -> None:
    made = extractor_of(standard, tmp_path).extract(Fit(queries=50), "fit").record
    assert (made.queries, made.samples) == (30, 30)
    seen, unseen = extractor_of(standard, tmp_path / "b")._parted(Fit())
    rest = standard.samples.fetch(unseen.tolist())
    assert len(seen) == 30
    assert not any(torch.equal(one, other) for one in seen for other in rest)


def test_the_samples_that_the_attacker_has_are_of_all_classes_and_the_same_for_one_seed(
    standard: Standard, tmp_path: Path
) -> None:
    first = extractor_of(standard, tmp_path / "a")._parted(Fit(seeds=2))
    again = extractor_of(standard, tmp_path / "b")._parted(Fit(seeds=2))
    other = extractor_of(standard, tmp_path / "c", seed=1)._parted(Fit(seeds=2))
    assert sorted(standard.target.answer(first[0]).argmax(1).tolist()) == [0, 1]
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], other[0])


def test_with_noise_to_begin_with_all_samples_are_unseen(standard: Standard, tmp_path: Path) -> None:
    made = extractor_of(standard, tmp_path).extract(Fit(start="noise", seeds=40, queries=40), "fit").record
    assert (made.queries, made.samples) == (40, 60)


def test_training_is_counted_and_repeats_itself_for_one_seed(standard: Standard, tmp_path: Path) -> None:
    small = Distill(queries=40, seeds=10, epochs=1)
    first, again = (extractor_of(standard, tmp_path / name).extract(small, "d").record for name in "ab")
    other = extractor_of(standard, tmp_path / "c", seed=1).extract(small, "d").record
    assert first.sha256 == again.sha256 != other.sha256
    # 10, 15, … and 40 samples learned once each, and six times five of them moved.
    assert (first.queries, first.forwards, first.backwards) == (40, 175 + 30, 175 + 30)


def test_a_resumed_run_reads_what_was_trained_and_asks_nothing(standard: Standard, tmp_path: Path) -> None:
    extractor = extractor_of(standard, tmp_path)
    first = extractor.extract(Fit(queries=30), "fit")
    asked = len(standard.target.deployed.asked)  # type: ignore[attr-defined]
    again = extractor.extract(Fit(queries=30), "fit")
    x = standard.samples.fetch(range(8))
    assert first.target is not None
    assert again.target is not None
    assert torch.equal(first.target.answer(x), again.target.answer(x))
    assert again.record == first.record
    assert len(standard.target.deployed.asked) == asked  # type: ignore[attr-defined]


def test_weights_that_were_tampered_with_are_refused(standard: Standard, tmp_path: Path) -> None:
    extractor = extractor_of(standard, tmp_path)
    extractor.extract(Fit(queries=30), "fit")
    (path,) = (tmp_path / "state").glob("substitute-*")
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    with pytest.raises(RunError, match="is not what the run wrote"):
        extractor.extract(Fit(queries=30), "fit")


def test_it_draws_nothing_from_anybody_elses_random_numbers(standard: Standard, tmp_path: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    extractor_of(standard, tmp_path).extract(Distill(queries=20, seeds=10, epochs=1), "d")
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("extraction", "more", "why"),
    [
        (Broken(), {}, "its plugin broke: ZeroDivisionError: no such thing"),
        (Greedy(), {}, "its plugin broke: it asked"),
        (Slow(), {"deadline": 0.0}, "the time limit was reached before it was trained"),
        (Fit(queries=100), {"budget": 100.0}, "--max-passes was spent"),
    ],
)
def test_one_that_cannot_be_trained_is_left_out_and_says_why(
    standard: Standard, tmp_path: Path, extraction: Fit, more: dict[str, Any], why: str
) -> None:
    more = {key: time.monotonic() if key == "deadline" else value for key, value in more.items()}
    made = extractor_of(standard, tmp_path, **more).extract(extraction, "fit")
    assert made.target is None
    assert made.record.left_out.startswith(why)
    assert made.broken == ("--max-passes" not in why)
    (finding,) = left_out([made])
    assert (finding.code, finding.severity) == ("AUD126", "warn")


def test_scores_are_not_to_be_had_from_a_model_that_answers_with_labels(standard: Standard, tmp_path: Path) -> None:
    standard.target.head = Head.LABELS
    made = extractor_of(standard, tmp_path).extract(Fit(answers="scores"), "fit")
    assert "labels alone" in made.record.left_out


def test_one_sample_is_enough_to_begin_with_and_leaves_none_to_compare_on(
    build: Any, memory: Any, tmp_path: Path
) -> None:
    network = Tilted(16)
    x = torch.rand(1, 1, 4, 4)
    standard = standard_of(build(network), memory(x, network(x).argmax(1)))
    made = extractor_of(standard, tmp_path).extract(Distill(queries=20, epochs=1), "distill")
    assert made.target is not None
    assert (made.record.queries, made.record.agreement) == (20, None)


def test_what_agrees_no_more_than_chance_is_left_out_where_that_is_certain(standard: Standard) -> None:
    opposite = lambda x: -standard.target.deployed(x)  # noqa: E731
    from auditor.result.surrogates import SurrogateResult
    from tests.engine.conftest import make_target

    record = SurrogateResult(name="other", source="other.onnx")
    held = standard.held(record, make_target(opposite), standard.some)
    assert held.target is None
    assert "0 of 60 samples, no better than guessing" in held.record.left_out
    assert standard.held(record, make_target(opposite), np.arange(2)).target is not None
    assert guesses(6, 60, 10)
    assert not guesses(40, 60, 10)
