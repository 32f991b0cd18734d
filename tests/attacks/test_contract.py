"""What every attack promises the engine, whatever the model."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from auditor.attack import Attack
from auditor.errors import UsageError
from auditor.lanes import LaneAttack
from auditor.norms import distance, tolerance
from auditor.testing import Question, questions
from auditor.testing.attacks import EPS, network, samples
from auditor.types import Norm, Threat
from auditor_attacks import auditor_attacks
from auditor_attacks.apgd import APGD
from auditor_attacks.fgsm import FGSM
from auditor_attacks.noise import Noise
from auditor_attacks.pgd import PGD
from tests.attacks.rosters import ATTACKS, TOGETHER
from tests.oracles import run, target_of

CASES = [(attack, norm) for attack in ATTACKS for norm in EPS if norm in attack.norms]
every_case = pytest.mark.parametrize(("attack", "norm"), CASES, ids=[f"{a.label}-{n}" for a, n in CASES])
every_norm = pytest.mark.parametrize("norm", [Norm.LINF, Norm.L2, Norm.L1])


def test_the_plugin_offers_attacks_with_distinct_names_and_each_stands_in_a_roster() -> None:
    names = [attack.name for attack in auditor_attacks()]
    assert len(set(names)) == len(names)
    assert set(names) == {attack.name for attack in (*ATTACKS, *TOGETHER)}


def test_importing_the_plugin_does_not_import_torch() -> None:
    code = "import sys, auditor_attacks; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("attack", auditor_attacks(), ids=lambda a: a.name)
def test_attacks_say_what_they_find_what_they_miss_and_what_they_cost(attack: type[Attack]) -> None:
    assert attack.__doc__
    assert all(heading in attack.__doc__ for heading in ("Finds:", "Blind to:", "Cost:", "Use it when:"))
    assert all("help" in field.metadata for field in dataclasses.fields(attack) if field.name != "pattern")


def test_labels_tell_configurations_apart() -> None:
    labels = [APGD().label, APGD(loss="dlr").label, APGD(loss="dlr-targeted").label, PGD(loss="margin").label]
    assert labels == ["apgd-ce", "apgd-dlr", "apgd-t", "pgd-margin"]


@pytest.mark.parametrize("values", [{"steps": 0}, {"loss": "entropy"}, {"rho": 2.0}], ids=str)
def test_parameters_out_of_bounds_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="apgd"):
        APGD(**values)


# What the tests below ask more of, or of fewer attacks, is not asked twice.
_BELOW = ("keeps to the budget", "neither batch", "stay as they were", "forecast of passes", "answers of NaN")
KIT = [
    question
    for attack in ATTACKS
    for question in questions(attack)
    if not any(part in question.sentence for part in _BELOW) and not isinstance(attack, Noise)
] + [question for attack in TOGETHER for question in questions(attack)]


@pytest.mark.parametrize("question", KIT, ids=str)
def test_our_own_attacks_keep_what_the_kit_asks_of_anyones(question: Question) -> None:
    question.ask()


@settings(max_examples=25, deadline=None)
@given(
    case=st.sampled_from(CASES),
    shape=st.sampled_from([(1, 6, 6), (3, 4, 7), (1, 1, 1), (2, 9), (13,), (3, 2, 1)]),
    num_classes=st.integers(2, 6),
    n=st.integers(1, 5),
    scale=st.floats(0.01, 5.0),
)
def test_candidates_and_examples_keep_to_ball_and_box(
    case: tuple[Attack, Norm], shape: tuple[int, ...], num_classes: int, n: int, scale: float
) -> None:
    attack, norm = case
    assume(len(shape) == 3 or not attack.images_only)
    model = network(shape, num_classes)
    x, y = samples(model, shape, n)
    threat = Threat(norm=norm, eps=EPS[norm] * scale)
    outcome = run(attack, target_of(model, num_classes), x, y, threat)
    for points in (outcome.best, outcome.candidates):
        if points is not None:
            assert points.shape == x.shape
            assert points.dtype == torch.float32
            assert points.min() >= 0.0
            assert points.max() <= 1.0
            assert (distance(points, x, norm) <= threat.eps + tolerance(norm, threat.eps)).all()


@every_case
def test_neither_the_batch_nor_its_order_changes_what_is_found(attack: Attack, norm: Norm) -> None:
    # Sums in float64 leave rounding no room to tell batch sizes apart.
    model = network((1, 6, 6), 5)
    exact = network((1, 6, 6), 5).double()
    target = target_of(lambda x: exact(x.double()), 5)
    x, y = samples(model, (1, 6, 6), 9)
    threat = Threat(norm=norm, eps=EPS[norm] / 2)
    whole = run(attack, target, x, y, threat)
    assert whole.found.sum() > 0 or isinstance(attack, Noise)
    for rows in (torch.tensor([4]), torch.tensor([7, 0, 3])):
        part = run(attack, target, x[rows], y[rows], threat, indices=rows)
        assert torch.equal(part.found, whole.found[rows])
        found = part.found
        assert torch.allclose(part.best[found], whole.best[rows][found], atol=1e-6)


@every_case
def test_inputs_model_and_global_random_state_stay_untouched(attack: Attack, norm: Norm) -> None:
    model = network((3, 5, 5), 4)
    x, y = samples(model, (3, 5, 5), 4)
    before = x.clone(), y.clone(), [p.clone() for p in model.parameters()], torch.get_rng_state()
    run(attack, target_of(model, 4), x, y, Threat(norm=norm, eps=EPS[norm]))
    assert torch.equal(x, before[0])
    assert torch.equal(y, before[1])
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), before[2], strict=True))
    assert all(p.grad is None and not p.requires_grad for p in model.parameters())
    assert torch.equal(torch.get_rng_state(), before[3])


@every_case
@pytest.mark.parametrize("num_classes", [2, 3, 4])
def test_few_classes_are_attacked_like_many(attack: Attack, norm: Norm, num_classes: int) -> None:
    shape = (1, 3, 4) if attack.images_only else (12,)
    model = network(shape, num_classes)
    x, y = samples(model, shape, 8)
    outcome = run(attack, target_of(model, num_classes), x, y, Threat(norm=norm, eps=4.0 * EPS[norm]))
    assert outcome.found.any() or isinstance(attack, Noise)
    wrong = model(outcome.best).argmax(1) != y
    assert torch.equal(wrong, outcome.found)


@every_case
def test_a_model_that_answers_nan_breaks_no_attack_and_counts_as_nothing_found(attack: Attack, norm: Norm) -> None:
    target = target_of(lambda x: x.flatten(1)[:, :5] * torch.nan, 5)
    x, y = torch.rand(3, 1, 4, 4), torch.tensor([0, 1, 2])
    assert not run(attack, target, x, y, Threat(norm=norm, eps=EPS[norm])).found.any()


@every_norm
@pytest.mark.parametrize("attack", [FGSM(), PGD(steps=3), APGD(steps=12)], ids=lambda a: a.label)
def test_samples_whose_gradient_is_nan_are_not_taken_for_robust(attack: Attack, norm: Norm) -> None:
    model = network((8,), 3)

    def brittle(x: Tensor) -> Tensor:
        # At 0 the slope of the root is infinite, and infinity times 0 is NaN; the value is 0.
        return model(x) + (0.0 * x[:, :1]).sqrt()

    x, y = samples(model, (8,), 3)
    outcome = run(attack, target_of(brittle, 3), x, y, Threat(norm=norm, eps=1e-4))
    assert outcome.candidates is not None
    assert outcome.blind.all()
    assert outcome.candidates.isfinite().all()


@every_case
def test_passes_are_no_more_than_the_forecast_says(attack: Attack, norm: Norm) -> None:
    model = network((1, 6, 6), 5)
    x, y = samples(model, (1, 6, 6), 4)
    outcome = run(attack, target_of(model, 5), x, y, Threat(norm=norm, eps=1e-6))
    forecast = attack.passes(5)
    assert forecast is not None
    # What an attack returns is judged outside of it; noise counts that among its draws.
    most = 4 * (forecast.forwards - isinstance(attack, Noise)), 4 * forecast.backwards
    assert outcome.forwards <= most[0]
    assert outcome.backwards <= most[1]
    if isinstance(attack, LaneAttack):
        assert (outcome.forwards, outcome.backwards) == most
