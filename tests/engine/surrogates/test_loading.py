"""Surrogates that the user has: read as their own options say, never as the model's happen to be set."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from auditor.configuration import build_settings, parse_surrogates
from auditor.engine.surrogates.loading import loaded, options_of
from auditor.engine.surrogates.surrogate import Standard
from auditor.errors import ModelError, UsageError
from auditor.settings import Settings, SurrogateSetting
from auditor.target.base import ModelOptions, Target
from tests.engine.surrogates.helpers import standard_of


def bright(x: Tensor) -> Tensor:
    """Two classes: whether the mean is above 0."""
    score = x.flatten(1).mean(1)
    return torch.stack([-score, score], 1)


@pytest.fixture
def standard(build: Any, memory: Any) -> Standard:
    x = torch.rand(40, 1, 6, 6, generator=torch.Generator().manual_seed(1)) * 0.4
    x[::2] += 0.6
    target = build(lambda x: bright(x - 0.5))
    return standard_of(target, memory(x, target.answer(x).argmax(1)))


def files(build: Any, network: Any = bright, **more: Any) -> Any:
    """A loader that makes one target, with the options it is asked for."""

    def load(source: str, options: ModelOptions) -> Target:
        return replace(build(network, num_classes=0), options=options, **more)

    return load


def settings(*surrogates: str, **more: Any) -> Settings:
    return build_settings({"models": ["m.onnx"], "data": "d.npz", "surrogate": list(surrogates), **more}, {})


def found(standard: Standard, load: Any, given: Settings) -> Any:
    return loaded(given.surrogates[0], "other", given, load, standard)


def test_a_flag_names_a_source_and_options_whose_values_may_hold_commas() -> None:
    assert parse_surrogates(
        ["a.onnx", "pkg.mod:make:weights=w.pt,mean=0.1,0.2,0.3,input-size=8", "distill:queries=9"]
    ) == (
        SurrogateSetting(source="a.onnx"),
        SurrogateSetting(source="pkg.mod:make", options={"weights": "w.pt", "mean": "0.1,0.2,0.3", "input_size": "8"}),
        SurrogateSetting(source="distill", options={"queries": "9"}),
    )


@pytest.mark.parametrize("texts", [["a.onnx", "a.onnx"], ["a.onnx:mean=1,mean=2"]])
def test_what_is_said_twice_is_a_slip(texts: list[str]) -> None:
    with pytest.raises(UsageError, match="says something twice"):
        parse_surrogates(texts)


def test_settings_files_name_them_too() -> None:
    read = build_settings({}, {"model": "m.onnx", "data": "d.npz", "surrogates": ["a.onnx:mean=0.5", "b.pt2"]})
    assert [each.source for each in read.surrogates] == ["a.onnx", "b.pt2"]


@pytest.mark.parametrize(
    ("options", "said"),
    [({"colour": "3"}, "has no option 'colour'"), ({"mean": "x"}, "--mean"), ({"layout": "up"}, "cannot be meant")],
)
def test_options_that_make_no_sense_are_said_before_anything_is_read(options: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        options_of(SurrogateSetting(source="a.onnx", options=options), trust=False)


def test_the_models_own_flags_are_not_its_surrogates(standard: Standard, build: Any) -> None:
    whole = found(standard, files(build, lambda x: bright(x - 0.5)), settings("other.onnx", mean="0.9"))
    assert whole.record.options == {}
    assert whole.record.agreement == 1.0
    assert whole.target.name == "other"


def test_but_they_are_taken_and_named_where_it_then_agrees_more(standard: Standard, build: Any) -> None:
    made = found(standard, files(build), settings("other.onnx", mean="0.5", std="0.25"))
    assert made.record.options == {"mean": (0.5,), "std": (0.25,)}
    assert made.record.agreement == 1.0
    assert "0.5" in made.record.preprocessing


def test_options_of_its_own_stand_whatever_the_models_say(standard: Standard, build: Any) -> None:
    made = found(standard, files(build), settings("other.onnx:mean=0.9", mean="0.5"))
    assert made.record.options == {"mean": "0.9"}
    assert made.record.left_out.startswith("it agrees with the model on 20 of 40 samples")


def test_one_that_gives_no_gradients_or_knows_other_classes_is_left_out(standard: Standard, build: Any) -> None:
    def blind(source: str, options: ModelOptions) -> Target:
        return build(lambda x: bright(x - 0.5), gradients="none", num_classes=0)

    assert found(standard, blind, settings("other.onnx")).record.left_out == "it gives no gradients"
    three = files(build, lambda x: torch.cat([bright(x), bright(x)[:, :1]], 1))
    assert "3 classes, and the model with 2" in found(standard, three, settings("other.onnx")).record.left_out


def test_it_may_want_samples_of_another_size_and_layout(standard: Standard, build: Any) -> None:
    def wants(x: Tensor) -> Tensor:
        assert x.shape[1:] == (12, 12, 1)
        return bright(x - 0.5)

    load = files(build, wants, input_shape=(None, 12, 12, 1))
    made = found(standard, load, settings("other.onnx:layout=nhwc"))
    assert made.record.agreement == 1.0
    x = standard.samples.fetch([0, 1]).requires_grad_(True)
    (slope,) = torch.autograd.grad(made.target.differentiable(x).sum(), x, materialize_grads=True)
    assert slope.shape == (2, 1, 6, 6)


def test_one_that_cannot_be_loaded_is_the_users_slip_and_not_the_models_failure(standard: Standard) -> None:
    def missing(source: str, options: ModelOptions) -> Target:
        raise ModelError("There is no file other.onnx.")

    with pytest.raises(UsageError, match=r"--surrogate other\.onnx: There is no file"):
        found(standard, missing, settings("other.onnx"))
