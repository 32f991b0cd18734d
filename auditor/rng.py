"""Randomness keyed by seed, attack and sample.

A counter-based generator: each number is a hash of (key of the sample, how many it was dealt before). What a
sample is dealt therefore depends neither on the batch size, nor on its place in the batch, nor on which other
samples are still standing, nor on the device; a resumed run deals exactly what an uninterrupted one would have.
The hash is the finaliser of SplitMix64 (Steele, Lea & Flood 2014, doi:10.1145/2714064.2660195).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as a signed 64-bit integer
_MIX_A = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX_B = -7723592293110705685  # 0x94D049BB133111EB


def seed_torch(seed: int) -> None:
    """`torch.manual_seed`, a thousand times as fast where there is only the processor to seed.

    PyTorch keeps seeds, with a traceback of whoever asked, for devices that may never come into use.
    """
    if torch.accelerator.is_available():
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


def _shift(value: Tensor, bits: int) -> Tensor:
    return (value >> bits).bitwise_and_((1 << (64 - bits)) - 1)


def _mix(value: Tensor) -> Tensor:
    """Hash `value` in place."""
    value ^= _shift(value, 30)
    value *= _MIX_A
    value ^= _shift(value, 27)
    value *= _MIX_B
    value ^= _shift(value, 31)
    return value


def _word(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little", signed=True)


class _Once:
    """Keys that are hashed when the first number is drawn: many a stream is handed on, and none is drawn from it."""

    def __init__(self, keys: Tensor | Callable[[], Tensor]) -> None:
        self._keys = keys

    @property
    def keys(self) -> Tensor:
        if not isinstance(self._keys, torch.Tensor):
            self._keys = self._keys()
        return self._keys


class Rng:
    """One independent stream of random numbers per sample; every draw has the shape `(N, *shape)`."""

    def __init__(self, keys: Tensor | Callable[[], Tensor], drawn: list[int] | None = None) -> None:
        self._held = _Once(keys)
        self._drawn = [0] if drawn is None else drawn

    @property
    def _keys(self) -> Tensor:
        return self._held.keys

    @classmethod
    def keyed(cls, seed: int, name: str, indices: Tensor) -> Rng:
        """The streams of attack `name` for the samples with these `indices`, `(N,)` int64."""
        return cls(lambda: _mix(_mix(indices * _GOLDEN + _word(f"{seed}/{name}")) + _GOLDEN))

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def state(self) -> tuple[Tensor, list[int]]:
        """What makes the same streams again, at the same place: `Rng(*state)`."""
        return self._keys, list(self._drawn)

    def fork(self, label: str) -> Rng:
        """Streams independent of these, for a part of an attack that is named `label`."""
        held = self._held
        return Rng(lambda: _mix(held.keys ^ _word(label)))

    def select(self, rows: Tensor) -> Rng:
        """The streams of some rows only; draws made through either advance both."""
        return Rng(self._keys[rows], self._drawn)

    def at(self, *numbers: Tensor) -> Rng:
        """Streams for one moment of each sample, named by numbers of its own, `(N,)` int64 each."""
        keys = self._keys
        for number in numbers:
            keys = _mix((number + 1) * _GOLDEN ^ keys)
        return Rng(keys)

    def overwrite(self, rows: Tensor, other: Rng) -> None:
        """Put the streams of other samples into these rows."""
        self._held = _Once(self._keys.index_copy(0, rows, other._keys))

    def _bits(self, shape: tuple[int, ...]) -> Tensor:
        count, first = math.prod(shape), self._drawn[0] + 1
        self._drawn[0] += count
        numbers = torch.arange(first, first + count, device=self._keys.device) * _GOLDEN
        return _mix(self._keys[:, None] + numbers).view(len(self._keys), *shape)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Uniform float32 in `[low, high)`, `(N, *shape)`, on a grid of 2^-24; scaling may round up to `high`."""
        unit = _shift(self._bits(shape), 40).to(torch.float32).mul_(2.0**-24)
        return unit if (low, high) == (0.0, 1.0) else unit.mul_(high - low).add_(low)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal float32, `(N, *shape)` (Box and Muller 1958)."""
        radius = self.uniform(*shape).add_(2.0**-25).log_().mul_(-2.0).sqrt_()
        return self.uniform(*shape).mul_(2.0 * math.pi).cos_().mul_(radius)

    def sixteen(self, *shape: int) -> Tensor:
        """Uniform int32 in `[0, 65536)`, `(N, *shape)`: four numbers to a hash, for those who need many cheaply."""
        count = math.prod(shape)
        words = self._bits((-(-count // 4),)).view(torch.int16)[:, :count]
        return words.to(torch.int32).bitwise_and_(0xFFFF).view(len(self._keys), *shape)

    def octets(self, count: int) -> Tensor:
        """Uniform uint8, `(N, count)`: eight numbers to a hash."""
        return self._bits((-(-count // 8),)).view(torch.uint8)[:, :count]

    def integers(self, high: int, *shape: int) -> Tensor:
        """Uniform int64 in `[0, high)`, `(N, *shape)`; `high` at most 2^31, so that the bias stays below 2^-32."""
        return _shift(self._bits(shape), 1).remainder(high)

    def signs(self, *shape: int) -> Tensor:
        """-1 or +1 as float32, `(N, *shape)`."""
        return self.integers(2, *shape).to(torch.float32) * 2.0 - 1.0
