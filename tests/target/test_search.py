"""Which form of a network attacks may look for examples with."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from auditor.loaders.torch_module import network
from auditor.target import search
from auditor.target.base import ModelOptions, Target
from auditor.target.batching import Loop
from auditor.target.search import Search, choose_search, describe, restore

X = torch.rand(40, 1, 6, 6, generator=torch.Generator().manual_seed(0))
MANY = 10**9


def bound(module: nn.Module, dtype: torch.dtype = torch.float32) -> Target:
    module = module.to(dtype).eval().requires_grad_(False)
    run = network(module, "m", dtype)
    return Target(
        name="m",
        source="m",
        sha256="",
        format="torch",
        deployed=run,
        twin=run,
        gradients="native",
        input_shape=None,
        input_dtype=dtype,
        options=ModelOptions(),
        device=torch.device("cpu"),
        remade=lambda change: network(change(module), "m", dtype),
    )


def convolutional() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(128, 5))


class Fine(nn.Module):
    """Its answers hardly, and its gradients mostly, depend on digits of the pixels that bfloat16 does not hold."""

    def __init__(self) -> None:
        super().__init__()
        self.same, self.linear = nn.Linear(36, 36, bias=False), nn.Linear(36, 5)
        self.same.weight.data = torch.eye(36)

    def forward(self, x: Tensor) -> Tensor:
        flat = self.same(x.flatten(1))
        return self.linear(flat) + 1e-3 * (1e5 * flat).sin()[:, :5]


class Random(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(36, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x.flatten(1) + 0.1 * torch.rand_like(x.flatten(1)))


def paced(monkeypatch: pytest.MonkeyPatch, **seconds: float) -> None:
    """Passes of a known length: of the twin a second, of other forms as given."""

    def took(self: Any, network: Any) -> float:
        form = {id(made): form for form, made in forms}.get(id(network))
        return 1.0 if form is None else seconds.get(form.precision, 1.0)

    forms: list[tuple[Any, Any]] = []
    make = search._network

    def noted(target: Target, form: Any) -> Any:
        made = make(target, form)
        forms.append((form, made))
        return made

    monkeypatch.setattr(search, "_network", noted)
    monkeypatch.setattr(search.Trial, "seconds", took)


def test_the_fastest_form_that_agrees_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    paced(monkeypatch, bfloat16=0.5, float32=0.8)
    found = choose_search(bound(convolutional()), X, "auto", MANY, 32)
    assert found is not None
    assert (found.form.numbers, found.ratio) == ("bfloat16", 0.5)


def test_a_form_that_saves_less_than_a_tenth_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    paced(monkeypatch, bfloat16=0.95, float32=0.92)
    assert choose_search(bound(convolutional()), X, "auto", MANY, 32) is None


def test_what_lies_channels_last_already_is_not_tried_in_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    paced(monkeypatch, bfloat16=1.0, float32=0.5)
    module = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(32, 5))
    assert choose_search(bound(module), X, "auto", MANY, 32) is not None
    assert choose_search(bound(module.to(memory_format=torch.channels_last)), X, "auto", MANY, 32) is None


def test_a_form_whose_gradients_point_elsewhere_is_refused_though_its_answers_are_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paced(monkeypatch, bfloat16=0.1, float32=0.8)
    target = bound(Fine())
    own, other = target.deployed(X), target.deployed(X.bfloat16().float())
    assert (own - other).abs().max() < search.STRAY * (own.max() - own.min())
    found = choose_search(target, X, "auto", MANY, 32)
    assert found is not None
    assert found.form.precision == "float32"
    assert choose_search(target, X, "bfloat16", MANY, 32) is None


def test_a_model_that_answers_at_random_is_searched_as_it_is() -> None:
    assert choose_search(bound(Random()), X, "bfloat16", MANY, 32) is None


def test_nothing_is_measured_where_little_is_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    paced(monkeypatch, bfloat16=0.5)
    assert choose_search(bound(convolutional()), X, "auto", 10, 32) is None


def test_float32_asks_for_the_model_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    paced(monkeypatch, bfloat16=0.1, float32=0.1)
    assert choose_search(bound(convolutional()), X, "float32", MANY, 32) is None


def test_bfloat16_is_taken_where_it_is_asked_for_though_it_is_slower(monkeypatch: pytest.MonkeyPatch) -> None:
    paced(monkeypatch, bfloat16=3.0)
    found = choose_search(bound(convolutional()), X, "bfloat16", 10, 32)
    assert found is not None
    assert (found.form.precision, found.ratio) == ("bfloat16", 3.0)


def test_a_model_in_float64_stays_in_it() -> None:
    assert choose_search(bound(convolutional(), torch.float64), X, "bfloat16", MANY, 32) is None


def test_a_module_that_only_runs_in_float32_is_left_to_autocast() -> None:
    class Strict(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers, self.offset = nn.Linear(36, 5), torch.full((36, 36), 0.1)

        def forward(self, x: Tensor) -> Tensor:
            answer: Tensor = self.layers(x.flatten(1) @ self.offset)  # the offset is no parameter, so it stays float32
            return answer

    found = choose_search(bound(Strict()), X, "bfloat16", MANY, 32)
    assert found is not None
    assert found.form.numbers == "autocast"


def test_batches_run_in_the_twins_own_way() -> None:
    target = bound(convolutional())
    assert target.twin is not None
    target.twin = Loop(target.twin, 4)
    found = choose_search(target, X, "bfloat16", MANY, 32)
    assert found is not None
    assert isinstance(found.network, Loop)
    assert found.network.size == 4


def test_how_far_margins_stray_is_measured() -> None:
    target = bound(convolutional())
    found = choose_search(target, X, "bfloat16", MANY, 40)
    assert found is not None
    target.search = found
    with torch.no_grad():
        error = target.searching(X) - target.differentiable(X)
    assert found.stray == pytest.approx(float((error - error[:, :1]).abs().max()), rel=1.0)
    assert found.stray > 0.0


def test_what_was_chosen_can_be_restored_without_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    target = bound(convolutional())
    found = choose_search(target, X, "bfloat16", MANY, 32)
    assert found is not None
    monkeypatch.setattr(search.Trial, "ask", None)
    again = restore(target, found.record())
    assert isinstance(again, Search)
    assert (again.form, again.ratio, again.stray) == (found.form, found.ratio, found.stray)
    assert torch.equal(again.network(X), found.network(X))


def test_what_was_chosen_is_said_in_words() -> None:
    target = bound(convolutional())
    assert describe(target) == {"precision": "float32", "form": "the model's own"}
    target.search = choose_search(target, X, "bfloat16", MANY, 32)
    assert describe(target)["precision"] == "bfloat16"


def test_a_model_that_lies_channels_last_itself_is_said_to() -> None:
    module = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(32, 5))
    target = bound(module.to(memory_format=torch.channels_last))
    assert describe(target) == {"precision": "float32", "form": "the model's own, channels last"}
