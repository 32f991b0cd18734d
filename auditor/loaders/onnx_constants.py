"""What a graph's further inputs get while the samples change: a number or an array, the same in every pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from auditor.errors import ModelError, UsageError
from auditor.loaders.onnx_signature import Port
from auditor.target.layout import refuse_giant, shape_text
from auditor.target.runtime import DTYPES

if TYPE_CHECKING:
    from auditor.target.base import ModelOptions

_DTYPES = {**DTYPES, "tensor(bool)": torch.bool}


@dataclass(frozen=True)
class Constant:
    """One input: its value, and which axes of it are as long as which axis of the samples' input.

    `sizes` has a number where the size is fixed, and -1 where the value's own size is kept.
    """

    value: Tensor
    sizes: tuple[int, ...]
    follows: Mapping[int, int]

    def beside(self, shape: torch.Size) -> Tensor:
        """The value that goes with samples of that `shape`, batch first."""
        sizes = [shape[self.follows[axis]] if axis in self.follows else size for axis, size in enumerate(self.sizes)]
        return self.value.expand(sizes).contiguous()


class Constants:
    """Values for all inputs but the samples' own; called with a batch, it answers with those that go with it."""

    def __init__(self, values: Mapping[str, Constant]) -> None:
        self._values = dict(values)
        # A loop over a run asks for the same again and again; batches have few sizes.
        self._made = lru_cache(maxsize=8)(self._make)

    def __call__(self, x: Tensor) -> Mapping[str, Tensor]:
        """Values by name for network inputs `x`, on their device."""
        return self._made(x.shape, x.device)

    def _make(self, shape: torch.Size, device: torch.device) -> Mapping[str, Tensor]:
        with torch.inference_mode(False):
            return {name: constant.beside(shape).to(device) for name, constant in self._values.items()}


def read_constants(options: ModelOptions, samples: Port, others: list[Port]) -> tuple[Constants, list[Path]]:
    """Values for `others`, the inputs beside the one that gets the `samples`, and the files that they came from.

    Raises:
        ModelError: nothing was said about one, or what was said does not fit its type and shape.
        UsageError: a name is no such input, or a file is no array.
    """
    given = options.constants
    if unknown := given.keys() - {port.name for port in others}:
        has = f"its further inputs are {_listed(others)}" if others else "it has no further input"
        raise UsageError(f"--constant names {min(unknown)!r}, and the model has no such input; {has}.")
    if missing := [port for port in others if port.name not in given]:
        flags = " ".join(f"--constant {port.name}=VALUE" for port in missing)
        raise ModelError(
            f"The model also needs {_listed(missing)}; say what to feed it with {flags}, "
            "where VALUE is a number that fills the shape, or an .npy file."
        )
    files = [Path(value) for value in given.values() if isinstance(value, str)]
    return Constants({port.name: _constant(port, given[port.name], samples) for port in others}), sorted(files)


def _listed(ports: list[Port]) -> str:
    return ", ".join(map(str, ports))


def _constant(port: Port, given: float | str, samples: Port) -> Constant:
    refuse_giant(port.shape or ())
    array = _read(port.name, Path(given)) if isinstance(given, str) else np.array(given)
    value = _cast(port, array)
    if port.dims is None:
        return Constant(value, tuple(value.shape), {})
    follows = _follows(port.dims, samples.dims or (None,))
    whole = value.reshape(*[1] * (len(port.dims) - value.dim()), *value.shape)
    sizes = tuple(-1 if size is None else size for size in port.shape or ())
    fits = whole.dim() == len(sizes) and all(
        have == 1 or follows.get(axis, 0) > 0 or (axis not in follows and size in (-1, have))
        for axis, (have, size) in enumerate(zip(whole.shape, sizes, strict=True))
    )
    if not fits:
        raise ModelError(
            f"The constant for {port} has the shape {shape_text(value.shape)}; give one that fits, "
            "with a batch of 1 where the model takes any."
        )
    if value.dim() == 0 and any(size == -1 and axis not in follows for axis, size in enumerate(sizes)):
        raise ModelError(
            f"A number cannot fill {port}, whose shape is not known; give an .npy file of the right shape."
        )
    return Constant(whole, sizes, follows)


def _follows(dims: tuple[int | str | None, ...], samples: tuple[int | str | None, ...]) -> dict[int, int]:
    """Axes of a constant, and the axes of the samples whose sizes they take: those of one name.

    Where no name says which axis is the batch, it is the only free one.
    """
    follows = {axis: samples.index(dim) for axis, dim in enumerate(dims) if isinstance(dim, str) and dim in samples}
    free = [axis for axis, dim in enumerate(dims) if not isinstance(dim, int) and axis not in follows]
    if len(free) == 1 and 0 not in follows.values():
        follows[free[0]] = 0
    return follows


def _read(name: str, file: Path) -> np.ndarray:
    try:
        array = np.load(file, allow_pickle=False)
    except OSError as error:
        raise UsageError(
            f"--constant {name}={file}: this is no number, and {file} cannot be read ({error.strerror or error})."
        ) from error
    except (ValueError, EOFError, MemoryError) as error:
        raise UsageError(f"--constant {name}={file}: {file} is no .npy file of numbers ({error}).") from error
    if not isinstance(array, np.ndarray):
        raise UsageError(f"--constant {name}={file}: {file} is an archive; give an .npy file with one array.")
    return array


def _cast(port: Port, array: np.ndarray) -> Tensor:
    """The values in the type that the input takes, which must be able to hold them."""
    dtype = _DTYPES.get(port.kind)
    if dtype is None or array.dtype.kind not in "biuf":
        raise ModelError(f"The input {port} cannot be given a constant of {array.dtype}; auditor feeds numbers.")
    wide = torch.from_numpy(array.astype(np.float64 if array.dtype.kind == "f" else np.int64))
    value = wide.to(dtype)
    kept = value.isfinite() == wide.isfinite() if dtype.is_floating_point else value.to(wide.dtype) == wide
    if not kept.all():
        raise UsageError(f"The constant for {port} has values that {port.kind} cannot hold.")
    return value
