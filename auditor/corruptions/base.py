"""What a corruption is: a function of images, constants and random streams, with constants for five severities."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import torch

from auditor.errors import UsageError

if TYPE_CHECKING:
    from auditor.rng import Rng
    from auditor.types import Images

SEVERITIES = (1, 2, 3, 4, 5)
TABLES = ("size", "cifar", "imagenet")
_CIFAR_SIDE, _IMAGENET_SIDE = 32, 224
_BLOCK = 3 * 224 * 224 * 2  # values

Row: TypeAlias = tuple[float, ...]
Rows: TypeAlias = tuple[float | Row, ...]


@dataclass(frozen=True, kw_only=True)
class Corruption:
    """One corruption: what it does to images, and with which constants at severities 1 to 5.

    Attributes:
        name: as the paper's code spells it.  group: noise, blur, weather, digital or colour.  about: what it imitates.
        render: `(x, rng, *constants) -> x'`, images `(N, C, H, W)` in and out.
        cifar, imagenet: constants of CIFAR-10-C (32 x 32) and of ImageNet-C (224 x 224), a row per severity.
        lengths: which of the constants are lengths in pixels.
        coloured: whether it changes colours alone, and so does nothing to an image in gray.
    """

    name: str
    group: str
    about: str
    render: Callable[..., Images]
    cifar: tuple[Row, ...]
    imagenet: tuple[Row, ...]
    lengths: tuple[int, ...] = ()
    coloured: bool = False

    def applies(self, channels: int) -> bool:
        """Whether it can change images of so many channels."""
        return channels == 3 or not self.coloured

    def constants(self, severity: int, side: int, table: str = "size") -> Row:
        """The constants for images whose shorter side is so many pixels.

        `cifar` and `imagenet` are the published ones whatever the size. `size` is CIFAR-10-C's at 32 pixels,
        ImageNet-C's at 224, and in between their mean weighted by the logarithm of the side; for smaller and larger
        images those of the nearer end, with lengths in proportion to the side.

        Raises:
            UsageError: the severity is not 1, 2, 3, 4 or 5, or there is no such table.
        """
        if severity not in SEVERITIES:
            raise UsageError(f"{self.name} has the severities 1 to 5, not {severity!r}.")
        if table not in TABLES:
            raise UsageError(f"Constants of corruptions are one of {', '.join(TABLES)}, not {table!r}.")
        small, large = self.cifar[severity - 1], self.imagenet[severity - 1]
        if table != "size":
            return small if table == "cifar" else large
        if side <= _CIFAR_SIDE:
            return self._stretched(small, side / _CIFAR_SIDE)
        if side >= _IMAGENET_SIDE:
            return self._stretched(large, side / _IMAGENET_SIDE)
        share = math.log(side / _CIFAR_SIDE) / math.log(_IMAGENET_SIDE / _CIFAR_SIDE)
        return tuple(a + share * (b - a) for a, b in zip(small, large, strict=True))

    def _stretched(self, row: Row, factor: float) -> Row:
        return tuple(value * factor if i in self.lengths else value for i, value in enumerate(row))

    def __call__(self, x: Images, severity: int, rng: Rng, table: str = "size") -> Images:
        """`x` corrupted: `(N, C, H, W)` float32, multiples of 1/255 in `[0, 1]`, as a camera would store it.

        A function of each image, of its stream's key and of nothing else: `rng` has a stream per image, and is not
        advanced. All severities are dealt the same, so that a streak, say, keeps its direction and grows.

        Raises:
            UsageError: the severity is not 1, 2, 3, 4 or 5, there is no such table, or `x` holds no images.
        """
        if x.ndim != 4:
            raise UsageError(f"{self.name} corrupts images (N, C, H, W), not a tensor of shape {tuple(x.shape)}.")
        constants = self.constants(severity, min(x.shape[2:]), table)
        # On the CPU a few images at a time, whose intermediate results stay in its cache.
        block = max(1, _BLOCK // max(1, math.prod(x.shape[1:]))) if x.device.type == "cpu" else len(x)
        streams, rows = rng.fork(self.name), torch.arange(len(x), device=x.device)
        parts = [
            self.render(x[i : i + block], streams.select(rows[i : i + block]).at(), *constants)
            .mul(255.0)
            .clamp_(0.0, 255.0)
            .round_()
            .div_(255.0)
            for i in range(0, len(x), block)
        ]
        return torch.cat(parts) if parts else x.clone()


def corruption(
    group: str, *, cifar: Rows, imagenet: Rows, lengths: tuple[int, ...] = (), coloured: bool = False
) -> Callable[[Callable[..., Images]], Corruption]:
    """Make a corruption of a function, whose name it bears, and whose docstring's first line says what it imitates."""

    def make(render: Callable[..., Images]) -> Corruption:
        about = (render.__doc__ or "").partition("\n")[0].rstrip(".")
        return Corruption(
            name=render.__name__,
            group=group,
            about=about,
            render=render,
            cifar=_rows(cifar),
            imagenet=_rows(imagenet),
            lengths=lengths,
            coloured=coloured,
        )

    return make


def _rows(rows: Rows) -> tuple[Row, ...]:
    return tuple(row if isinstance(row, tuple) else (row,) for row in rows)
