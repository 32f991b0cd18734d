"""The cases are what they claim: broken in one way, deciding as their opened form does, with truths that hold."""

from __future__ import annotations

import importlib

import pytest
import torch
from torch import Tensor, nn

from auditor.selftest.bench import BROKEN, CASES
from auditor.selftest.case import MODELS, Case
from auditor.selftest.data import RECIPES
from auditor.selftest.honest import HONEST
from auditor.selftest.judging import measured, truth_of
from auditor.selftest.networks import digits, linear

MASKED = [case for case in BROKEN if case.opened and case.opened != case.model]
# These answer otherwise where an attack is suspected; only there.
SUSPICIOUS = {"refuses-off-grid", "remembers"}


def built(name: str) -> nn.Module:
    module, _, factory = name.partition(":")
    made: nn.Module = getattr(importlib.import_module(module), factory)()
    return made.eval()


def test_there_are_more_than_enough_cases_of_both_kinds_in_both_parts() -> None:
    assert len(BROKEN) >= 25
    assert len(HONEST) >= 25
    assert len(CASES) == len(BROKEN) + len(HONEST), "two cases share a name"
    for group in (BROKEN, HONEST):
        for part in ("calibration", "test"):
            assert sum(case.part == part for case in group) >= len(group) // 4


@pytest.mark.parametrize("case", CASES.values(), ids=lambda case: case.name)
def test_every_case_has_samples_and_a_model_that_answers_them(case: Case) -> None:
    x, y = RECIPES[case.data]()
    assert len(x) == len(y)
    if case.model.startswith(MODELS):
        pixels = torch.from_numpy(x[:4]).float() / (255.0 if x.dtype.kind == "u" else 1.0)
        model = built(case.model)
        dtype = next(model.parameters()).dtype
        assert model(pixels.to(dtype)).shape[0] == 4


@pytest.mark.parametrize("case", MASKED, ids=lambda case: case.name)
def test_a_masked_model_decides_as_the_one_on_which_its_truth_was_measured(case: Case) -> None:
    x, y = RECIPES[case.data]()
    images, labels = torch.from_numpy(x[:60]).float() / 255.0, torch.from_numpy(y[:60])
    masked, opened = built(case.model), built(case.opened)
    for pixels in [images] if case.name in SUSPICIOUS else [images, _attacked(opened, images, labels, case.eps[-1])]:
        # A ripple of 1e-4 may tip a sample that lies on the edge.
        assert (masked(pixels).argmax(1) == opened(pixels).argmax(1)).float().mean() >= 0.95


def _attacked(model: nn.Module, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """Five steps of PGD: where a truth is measured."""
    point = x
    for _ in range(5):
        slopes = _slopes(model, point, y)
        assert slopes is not None, "an opened model has gradients"
        point = torch.minimum(torch.maximum(point + eps / 2.0 * slopes.sign(), x - eps), x + eps).clamp(0.0, 1.0)
    return point.detach()


@pytest.mark.parametrize("case", [case for case in MASKED if case.model.partition(":")[0].endswith("masks")], ids=str)
def test_its_gradients_say_something_else_or_nothing(case: Case) -> None:
    x, y = RECIPES[case.data]()
    images, labels = torch.from_numpy(x[:40]).float() / 255.0, torch.from_numpy(y[:40])
    masked, opened = (_slopes(built(name), images, labels) for name in (case.model, case.opened))
    if masked is None:
        return
    agreement = (
        torch.nn.functional.cosine_similarity(masked.flatten(1), opened.flatten(1)) if opened is not None else None
    )
    assert agreement is not None
    assert not float(agreement.nanmean()) > 0.9


def _slopes(model: nn.Module, x: Tensor, y: Tensor) -> Tensor | None:
    leaf = x.clone().requires_grad_()
    answers = model(leaf)
    if not answers.requires_grad:
        return None
    if bool((answers >= 0).all()):
        answers = answers.clamp_min(1e-30).log()
    (slopes,) = torch.autograd.grad(nn.functional.cross_entropy(answers, y), leaf)
    return slopes


def test_a_truth_is_stored_for_every_case_that_names_an_opened_model() -> None:
    lacking = [case.name for case in BROKEN if case.opened and case.name not in measured()]
    assert not lacking, f"run: python -m benchmarks.trust truths {' '.join(lacking)}"
    assert all(measured()[case.name]["model"] == case.opened for case in BROKEN if case.opened)


def test_the_truth_of_the_linear_model_is_met_by_the_change_that_proves_it() -> None:
    """The worst change of each sample is written down and shown to the model: it fools it where the sum says so."""
    case = CASES["linear"]
    x, y = (part[:100] for part in digits())
    eps, model = case.eps[-1], linear().double()
    weight = model[1].weight
    standing = 0
    for image, label in zip(x.double(), y, strict=True):
        fooled = False
        for other in range(10):
            towards = (weight[other] - weight[label]).view_as(image)
            worst = torch.where(towards > 0.0, (image + eps).clamp(max=1.0), (image - eps).clamp(min=0.0))
            fooled |= int(model(worst[None]).argmax()) != int(label)
        standing += not fooled
    assert truth_of(case) == standing / 100
    assert 0.1 < standing / 100 < 0.9
