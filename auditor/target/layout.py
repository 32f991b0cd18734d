"""How samples of one shape get into a network that declares another: layout, size, channels, shape."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

from auditor.errors import DataError, ModelError
from auditor.target.preprocessing import Preprocessing

Layout: TypeAlias = Literal["nchw", "nhwc", "flat"]
Dims: TypeAlias = tuple[int | None, ...]

MAX_INPUT = 2**28
"""Most values that an input may declare, its batch included: 1 GiB of float32. More is a broken or hostile file."""


def fit(
    base: Preprocessing, sample: tuple[int, ...], wanted: Dims | None, layout: Layout | Literal["auto"]
) -> Preprocessing:
    """`base` with layout, size, channels and shape such that samples become what the network wants.

    Args:
        base: what is known already: range, mean, std, channel order, and the size where the user gave one.
        sample: shape of a sample, `(C, H, W)` for images.
        wanted: the network's input shape without the batch, None where any size fits; None if it does not say.
        layout: as the user said, or `auto`.

    Raises:
        DataError: samples of this shape cannot become that input, or in more than one way.
    """
    if len(sample) != 3:
        return _fit_any(base, sample, wanted)
    scaled = (sample[0], *(base.size or sample[1:]))
    if wanted is None:
        return replace(base, layout="nchw" if layout == "auto" else layout)
    found = (
        _as_is(base, scaled, wanted, layout)
        or _reshaped(base, scaled, wanted, layout)
        or _converted(base, scaled, wanted, layout)
    )
    if found is not None and base.size is not None and found.size != base.size:
        raise DataError(
            f"--input-size {base.size[0]},{base.size[1]} does not fit the model, "
            f"which takes {shape_text(wanted)}; leave it out."
        )
    if found is None:
        raise DataError(_misfit(sample, scaled, wanted, layout))
    return found


def refuse_giant(dims: Dims) -> None:
    """Raise ModelError where a network declares an input too large to be meant."""
    if math.prod(size or 1 for size in dims) > MAX_INPUT:
        raise ModelError(f"The model takes inputs of {shape_text(dims)}, more than a machine could feed it.")


def shape_text(dims: Sequence[int | None]) -> str:
    """`3x224x224`; `?` stands for any size."""
    return "x".join("?" if size is None else str(size) for size in dims) or "()"


def _fit_any(base: Preprocessing, sample: tuple[int, ...], wanted: Dims | None) -> Preprocessing:
    """Samples that are no images: as they are, or reshaped where the number of values is right."""
    if wanted is None or _matches(wanted, sample):
        return base
    if None not in wanted and math.prod(sample) == math.prod(size or 1 for size in wanted):
        return replace(base, shape=_fixed(wanted))
    raise DataError(
        f"Samples of shape {shape_text(sample)} do not fit the model, which takes {shape_text(wanted)}; "
        "check that model and data belong together."
    )


def _orders(layout: Layout | Literal["auto"], sample: tuple[int, ...]) -> Iterator[tuple[Layout, tuple[int, ...]]]:
    """The ways to lay an image out that the user allows, with the shape that each gives."""
    channels, height, width = sample
    if layout in ("auto", "nchw"):
        yield "nchw", (channels, height, width)
    if layout in ("auto", "nhwc"):
        yield "nhwc", (height, width, channels)


def _as_is(
    base: Preprocessing, sample: tuple[int, ...], wanted: Dims, layout: Layout | Literal["auto"]
) -> Preprocessing | None:
    """Layouts that match size for size; where nothing is declared both do, and NCHW is meant."""
    if layout in ("auto", "flat") and _matches(wanted, (math.prod(sample),)):
        return replace(base, layout="flat")
    found = [name for name, dims in _orders(layout, sample) if _matches(wanted, dims)]
    if len(found) > 1 and None not in wanted and len(set(sample)) == 1 and math.prod(sample) > 1:
        raise DataError(
            f"Samples of shape {shape_text(sample)} fit the model both as NCHW and as NHWC; "
            "say which with --layout nchw or --layout nhwc."
        )
    return replace(base, layout=found[0]) if found else None


def _reshaped(
    base: Preprocessing, sample: tuple[int, ...], wanted: Dims, layout: Layout | Literal["auto"]
) -> Preprocessing | None:
    """The same numbers with axes of size 1 more or less, or as one long axis: `784x1`, `1x784`, `28x28`."""
    if None in wanted:
        return None
    shape, core = _fixed(wanted), _core(_fixed(wanted))
    for name, dims in _orders(layout, sample):
        if core == _core(dims):
            return replace(base, layout=name, shape=shape)
    if core == (math.prod(sample),):
        # An image on one long axis is C, H, W unless the user says that the channels come last.
        return replace(base, layout="flat" if layout == "auto" else layout, shape=shape)
    return None


def _converted(
    base: Preprocessing, sample: tuple[int, ...], wanted: Dims, layout: Layout | Literal["auto"]
) -> Preprocessing | None:
    """Scaled to the size that the network insists on, and gray repeated where it insists on colour."""
    if layout == "flat" or len(wanted) != 3:
        return None
    readings: list[tuple[Layout, int | None, Dims]] = [("nchw", wanted[0], wanted[1:]), ("nhwc", wanted[2], wanted[:2])]
    fits = []
    for name, channels, free in readings:
        repeated = 3 if channels == 3 and sample[0] == 1 else None
        height, width = (want or have for want, have in zip(free, sample[1:], strict=True))
        plausible = min(height, width) > 1 or min(sample[1:]) == 1
        if layout in ("auto", name) and (channels in (None, sample[0]) or repeated) and plausible:
            size = base.size if (height, width) == sample[1:] else (height, width)
            fits.append(replace(base, layout=name, channels=repeated, size=size))
    # A dimension that is free says nothing about channels; one that is fixed and right does.
    certain = [step for step in fits if (wanted[0] if step.layout == "nchw" else wanted[-1]) is not None]
    chosen = certain or fits
    return chosen[0] if len(chosen) == 1 else None


def _misfit(sample: tuple[int, ...], scaled: tuple[int, ...], wanted: Dims, layout: Layout | Literal["auto"]) -> str:
    text = f"Samples of shape {shape_text(sample)} do not fit the model, which takes {shape_text(wanted)}"
    if scaled != sample:
        text += f" (scaled they are {shape_text(scaled)})"
    if sample[0] == 3 and 1 in (*wanted[:1], *wanted[-1:]):
        return f"{text}: it looks at gray images, so convert the samples to gray."
    if layout != "auto":
        return f"{text} in layout {layout}; leave --layout out, or give --input-size H,W."
    return f"{text}; give --input-size H,W for the size it was trained on, or --layout nchw, nhwc or flat."


def _matches(wanted: Dims, dims: tuple[int, ...]) -> bool:
    return len(wanted) == len(dims) and all(w in (None, d) for w, d in zip(wanted, dims, strict=True))


def _fixed(wanted: Dims) -> tuple[int, ...]:
    return tuple(size for size in wanted if size is not None)


def _core(dims: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in dims if size != 1)
