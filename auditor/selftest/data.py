"""The samples of the cases: the demo's digits, as they are and as pipelines spoil them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from auditor.selftest.networks import digits, plain

Arrays: TypeAlias = tuple[NDArray[Any], NDArray[np.int64]]
COUNT = 100
"""Samples of a case."""


def write(name: str, folder: Path) -> Path:
    """The samples of a recipe as an `.npz` in `folder`. Raises KeyError for a name that is none."""
    path = folder / f"{name}.npz"
    if not path.exists():
        x, y = RECIPES[name]()
        partial = folder / f"{name}.partial.npz"
        np.savez(partial, x=x, y=y)
        partial.replace(path)
    return path


def _digits() -> Arrays:
    x, y = digits()
    return (255.0 * x[:COUNT]).round().to(torch.uint8).numpy(), y[:COUNT].numpy().copy()


def _floats() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    x, y = _digits()
    return x.astype(np.float32) / np.float32(255.0), y


def _shifted() -> Arrays:
    x, y = _digits()
    return x, (y + 1) % 10


def _renumbered() -> Arrays:
    x, y = _digits()
    return x, np.random.default_rng(0).permutation(10)[y]


def _from_one() -> Arrays:
    x, y = _digits()
    return x, y + 1


def _own_labels() -> Arrays:
    x, _ = digits()
    with torch.no_grad():
        answers = plain()(x)
    return (255.0 * x).round().to(torch.uint8).numpy(), answers.argmax(1).numpy()


def _divided_twice() -> Arrays:
    x, y = _floats()
    return x / np.float32(255.0), y


def _normalised() -> Arrays:
    x, y = _floats()
    return (x - np.float32(0.1307)) / np.float32(0.3081), y


def _overexposed() -> Arrays:
    x, y = _floats()
    return x * np.float32(1.02), y


def _repeated() -> Arrays:
    x, y = _digits()
    return np.concatenate([x[: COUNT // 2]] * 2), np.concatenate([y[: COUNT // 2]] * 2)


def _one_class() -> Arrays:
    x, y = digits()
    return (255.0 * x[y == 7]).round().to(torch.uint8).numpy(), y[y == 7].numpy()


def _blank() -> Arrays:
    x, y = _digits()
    x[::4] = 0
    return x, y


def _red() -> Arrays:
    """The digit in red, another one in blue, a third one faintly in green."""
    x, y = _digits()
    return np.concatenate([x, np.roll(x, 2, 0) // 4, np.roll(x, 1, 0)], 1), y


def _gray_as_colour() -> Arrays:
    x, y = _digits()
    return np.repeat(x, 3, 1), y


def _pairs() -> Arrays:
    x, y = _digits()
    return x, y % 2


def _thirds() -> Arrays:
    x, y = _digits()
    return x, np.minimum(y // 3, 2)


RECIPES: dict[str, Callable[[], Arrays]] = {
    "digits": _digits,
    "shifted": _shifted,
    "renumbered": _renumbered,
    "from-one": _from_one,
    "own-labels": _own_labels,
    "divided-twice": _divided_twice,
    "normalised": _normalised,
    "overexposed": _overexposed,
    "repeated": _repeated,
    "one-class": _one_class,
    "blank": _blank,
    "red": _red,
    "gray-as-colour": _gray_as_colour,
    "even-odd": _pairs,
    "thirds": _thirds,
    "floats": _floats,
}
