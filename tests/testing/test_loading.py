"""What the kit asks about loaders: each broken promise is told by the question that is about it."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from auditor import ModelError, ModelOptions, Target
from auditor.testing import Loading, questions

CPU = torch.device("cpu")
Load = Callable[[str, ModelOptions, torch.device], Target | None]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A linear classifier of 8 numbers, as `load` takes it."""
    path = tmp_path / "net.npz"
    np.savez(path, weight=np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32))
    return path


def load(path: str, options: ModelOptions, device: torch.device) -> Target | None:
    """Linear classifiers in NumPy archives."""
    if not path.endswith(".npz"):
        return None
    try:
        with np.load(path) as archive:
            weight = torch.from_numpy(archive["weight"]).float().to(device)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path} holds no linear classifier: {error}.") from error
    if weight.ndim != 2:
        raise ModelError(f"{path} holds {weight.ndim} dimensions, not two.")

    def network(x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1) @ weight.T

    return Target(
        name="net",
        source=path,
        sha256=hashlib.sha256(Path(path).read_bytes()).hexdigest(),
        format="npz",
        deployed=network,
        twin=network,
        gradients="native",
        input_shape=(None, weight.shape[1]),
        options=options,
        device=device,
    )


def made(path: str, options: ModelOptions, device: torch.device) -> Target:
    target = load(path, options, device)
    assert target is not None
    return target


def undocumented(path: str, options: ModelOptions, device: torch.device) -> Target | None:
    return load(path, options, device)


def claims_everything(path: str, options: ModelOptions, device: torch.device) -> Target | None:
    """Says that whatever has a name is its own."""
    if not path.endswith(".npz"):
        raise ModelError(f"{path} should end with .npz.")
    return load(path, options, device)


def stumbles(path: str, options: ModelOptions, device: torch.device) -> Target | None:
    """Lets NumPy's errors out."""
    if path.endswith(".npz"):
        np.load(path)["weight"]
    return load(path, options, device)


def unpickles(path: str, options: ModelOptions, device: torch.device) -> Target | None:
    """Opens object arrays."""
    if path.endswith(".npz"):
        try:
            np.load(path, allow_pickle=True)["weight"]
        except Exception as error:
            raise ModelError(f"{path}: {error}") from error
    return load(path, options, device)


def makes_do(path: str, options: ModelOptions, device: torch.device) -> Target | None:
    """Takes a file that cannot be read for a classifier of zeros."""
    try:
        return load(path, options, device)
    except ModelError:
        zeros = torch.zeros(3, 8)
        return replace(_around(path, options, lambda x: x @ zeros.T), input_shape=(None, 8))


def _around(path: str, options: ModelOptions, network: Callable[[torch.Tensor], torch.Tensor]) -> Target:
    return Target(
        name="net",
        source=path,
        sha256="0" * 64,
        format="npz",
        deployed=network,
        twin=network,
        gradients="native",
        input_shape=(None, 8),
        options=options,
        device=CPU,
    )


def _changed(change: Callable[[Target], Target]) -> Load:
    def changed(path: str, options: ModelOptions, device: torch.device) -> Target | None:
        """Loads, and spoils something."""
        target = load(path, options, device)
        return None if target is None else change(target)

    return changed


def _drops_out(target: Target) -> Target:
    def network(x: torch.Tensor) -> torch.Tensor:
        return torch.dropout(target.deployed(x), 0.5, train=True)

    return replace(target, deployed=network, twin=network)


def _mixes(target: Target) -> Target:
    def network(x: torch.Tensor) -> torch.Tensor:
        answer = target.deployed(x)
        return answer - answer.mean(0) if len(x) > 4 else answer

    return replace(target, deployed=network, twin=network)


def _wrong_twin(target: Target) -> Target:
    return replace(target, twin=lambda x: target.deployed(x) + 0.9 * (x - x.detach()).sum(1, keepdim=True))


def _draws(target: Target) -> Target:
    torch.rand(1)
    return target


def _writes(target: Target) -> Target:
    Path(f"{target.source}.cache").write_text("x")
    return target


BREAKS: list[tuple[Load, str]] = [
    (undocumented, "says what it loads"),
    (claims_everything, "leaves to others"),
    (stumbles, "refused in a sentence"),
    (stumbles, "is no model"),
    (unpickles, "no pickle"),
    (makes_do, "is no model"),
    (makes_do, "refused in a sentence"),
    (_changed(_drops_out), "the same answers and the same digest"),
    (_changed(_mixes), "batches of any size"),
    (_changed(_wrong_twin), "slopes of its answers"),
    (_changed(lambda target: replace(target, twin=None)), "slopes of its answers"),
    (_changed(lambda target: replace(target, options=ModelOptions())), "handed on"),
    (_changed(_draws), "stay as they were"),
    (_changed(_writes), "stay as they were"),
    (_changed(lambda target: replace(target, sha256="0" * 64)), "another digest"),
    (_changed(lambda target: replace(target, sha256="none")), "the same digest"),
    (_changed(lambda target: replace(target, deployed=lambda x: torch.nan * target.deployed(x))), "finite"),
]


def broken(loading: Loading) -> list[str]:
    """The sentences that are not true of it."""
    found = []
    for question in questions(loading):
        try:
            question.ask()
        except Exception:
            found.append(question.sentence)
    return found


def test_a_loader_that_conforms_keeps_every_promise(file: Path) -> None:
    assert broken(Loading(load=load, file=file)) == []
    assert len(questions(Loading(load=load, file=file))) > len(questions(Loading(load=load))) == 2


@pytest.mark.parametrize(("loader", "about"), BREAKS, ids=[f"{n}-{about}" for n, (_, about) in enumerate(BREAKS)])
def test_each_promise_that_a_loader_breaks_is_told(file: Path, loader: Load, about: str) -> None:
    told = broken(Loading(load=loader, file=file))
    assert any(about in sentence for sentence in told), told


def test_a_hook_is_given_what_it_asks_for(file: Path) -> None:
    def by_path(path: str) -> Target | None:
        """Wants no more than the path."""
        return load(path, ModelOptions(), CPU)

    assert broken(Loading(load=by_path, file=file)) == ["what the user says of the model is handed on"]


def test_where_the_model_does_not_say_what_it_takes_samples_are_given(file: Path) -> None:
    silent = _changed(lambda target: replace(target, input_shape=None))
    with pytest.raises(AssertionError, match="give samples"):
        questions(Loading(load=silent, file=file))[2].ask()
    assert broken(Loading(load=silent, file=file, x=torch.rand(5, 8))) == []
