"""The ways in which pixels commonly reach a network, as changes to the preprocessing that is in force."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from auditor.target.preprocessing import Preprocessing
    from auditor.types import Images

Order: TypeAlias = Literal["rgb", "bgr"]
Values: TypeAlias = tuple[float, ...]
# In words, the range, and mean and std in the order red, green, blue.
Scale: TypeAlias = tuple[str, tuple[float, float], Values, Values]

_UNIT = (0.0, 1.0)
_ANY: tuple[Scale, ...] = (
    ("pixels from 0 to 1", _UNIT, (), ()),
    ("pixels from 0 to 255", (0.0, 255.0), (), ()),
    ("pixels from -1 to 1 (mean 0.5, std 0.5)", (-1.0, 1.0), (), ()),
    ("pixels from 0 to 255, mean 127, std 128", (0.0, 255.0), (127.0,), (128.0,)),
)
_GRAY: tuple[Scale, ...] = (
    ("MNIST's mean and std", _UNIT, (0.1307,), (0.3081,)),
    ("Fashion-MNIST's mean and std", _UNIT, (0.2860,), (0.3530,)),
)
_COLOUR: tuple[Scale, ...] = (
    ("ImageNet's mean and std", _UNIT, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ("CIFAR-10's mean and std", _UNIT, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    ("Caffe's ImageNet mean", (0.0, 255.0), (123.68, 116.779, 103.939), ()),
)


def _as_given(x: Images) -> Images:
    return x


def _transposed(x: Images) -> Images:
    return x.transpose(-1, -2)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """Another preprocessing, in words, and the flags that give it; `pixels` is what the samples themselves need."""

    words: str
    preprocessing: Preprocessing
    flags: str
    pixels: Callable[[Images], Images] = _as_given

    @property
    def remedy(self) -> str:
        """What the user does to get it."""
        steps = ["store the images with height and width exchanged"] if self.pixels is _transposed else []
        steps += [f"add {self.flags}"] if self.flags else []
        text = " and ".join(steps)
        return f"{text[:1].upper()}{text[1:]}."


def scalings(current: Preprocessing, x: Images) -> Iterator[Variant]:
    """Every other common scale, in either order of the channels; `x` is `(N, C, H, W)` in `[0, 1]`."""
    channels = _channels(current, x)
    orders: tuple[Order, ...] = ("rgb", "bgr") if x.shape[1] == 3 else (current.channel_order,)
    candidates = [(f"channels {order.upper()}", replace(current, channel_order=order)) for order in orders]
    common = [*_ANY, *(_GRAY if channels == 1 else ()), *(_COLOUR if channels == 3 else ())]
    # Networks that take whole numbers know no other scale than theirs.
    for scale in () if current.rounded else common:
        for order in orders:
            words = f"{scale[0]}, channels BGR" if order == "bgr" else scale[0]
            candidates.append((words, _scaled(current, scale, order, channels)))
    tried = [_meaning(current, channels)]
    for words, preprocessing in candidates:
        if _meaning(preprocessing, channels) not in tried:
            tried.append(_meaning(preprocessing, channels))
            yield Variant(words=words, preprocessing=preprocessing, flags=flags(current, preprocessing, channels))


def geometries(current: Preprocessing, base: Variant | None, x: Images) -> Iterator[Variant]:
    """Pixels inverted, transposed or in the other layout, on top of the current preprocessing or of `base`."""
    start, prefix = (base.preprocessing, f"{base.words}, ") if base else (current, "")
    channels = _channels(current, x)
    low, high = start.input_range
    inverted = replace(start, input_range=(high, low))
    yield Variant(
        words=f"{prefix}black and white exchanged", preprocessing=inverted, flags=flags(current, inverted, channels)
    )
    if x.shape[-1] == x.shape[-2]:
        words = f"{prefix}height and width exchanged"
        yield Variant(words=words, preprocessing=start, flags=flags(current, start, channels), pixels=_transposed)
    # A network that flattens or reshapes takes either order of the values; any other would refuse it.
    if channels > 1 and (start.layout == "flat" or start.shape is not None):
        layout: Literal["nchw", "nhwc"] = "nchw" if start.layout == "nhwc" else "nhwc"
        other = replace(start, layout=layout, shape=start.shape or (x[0].numel(),))
        words = f"{prefix}layout {layout.upper()}"
        yield Variant(words=words, preprocessing=other, flags=flags(current, other, channels))


def flags(current: Preprocessing, new: Preprocessing, channels: int) -> str:
    """The command-line flags that turn one preprocessing into the other."""
    parts = []
    if new.input_range != current.input_range:
        parts.append(f"--input-range {_listed(new.input_range)}")
    if (new.mean, new.std) != (current.mean, current.std):
        parts.append(f"--mean {_listed(_filled(new.mean, 0.0, channels))}")
        parts.append(f"--std {_listed(_filled(new.std, 1.0, channels))}")
    if new.channel_order != current.channel_order:
        parts.append(f"--channel-order {new.channel_order}")
    if new.layout != current.layout:
        parts.append(f"--layout {new.layout}")
    return " ".join(parts)


def _channels(current: Preprocessing, x: Images) -> int:
    return x.shape[1] if x.shape[1] > 1 else current.channels or 1


def _scaled(current: Preprocessing, scale: Scale, order: Order, channels: int) -> Preprocessing:
    _, input_range, mean, std = scale
    step = -1 if order == "bgr" else 1
    return replace(
        current,
        channel_order=order,
        input_range=input_range,
        mean=_filled(mean, 0.0, channels)[::step] if mean else (),
        std=_filled(std, 1.0, channels)[::step] if std else (),
    )


def _meaning(p: Preprocessing, channels: int) -> tuple[str, tuple[tuple[float, float], ...]]:
    """Order of the channels, and each one's slope and offset: equal where only the words differ."""
    low, high = p.input_range
    pairs = zip(_filled(p.mean, 0.0, channels), _filled(p.std, 1.0, channels), strict=True)
    return p.channel_order, tuple((round((high - low) / std, 6), round((low - mean) / std, 6)) for mean, std in pairs)


def _filled(values: Values, default: float, channels: int) -> Values:
    return values * channels if len(values) == 1 else values or (default,) * channels


def _listed(values: Values) -> str:
    return ",".join(f"{value:g}" for value in values)
