"""From settings to threats: the goal, the classes and pixels that it is about, the limits of spatial changes."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from auditor.errors import UsageError
from auditor.norms import MEASURED
from auditor.types import Goal, Norm, Threat

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.settings import Settings, ThreatSetting

LEAST_LIKELY = "least-likely"
_LEVELS = 128


def threats_of(
    settings: Settings, num_classes: int, classes: Sequence[str] | None, mask: Tensor | None, channels: int = 3
) -> list[Threat]:
    """The threats that were asked for, in the order of the settings, to images of so many channels.

    Raises:
        UsageError: the goal names a class that the model does not have, a mask is to bound what is no norm ball, or no
            corruption is left that changes such images.
    """
    unmasked = [setting.norm for setting in settings.threats if setting.norm not in MEASURED]
    if mask is not None and unmasked:
        raise UsageError(f"--mask bounds changes in {', '.join(MEASURED)}; it does not go with --norm {unmasked[0]}.")
    goal, target = _goal(settings.goal, num_classes, classes)
    return [_threat(setting, settings, goal, target, mask, channels) for setting in settings.threats]


def _threat(
    setting: ThreatSetting, settings: Settings, goal: Goal, target: int | None, mask: Tensor | None, channels: int
) -> Threat:
    return Threat(
        norm=setting.norm,
        eps=setting.eps,
        goal=goal,
        target=target,
        mask=mask,
        rotation=settings.rotation,
        translation=settings.translation,
        corruptions=_corruptions(settings, setting.norm, channels),
    )


def _corruptions(settings: Settings, norm: Norm, channels: int) -> tuple[str, ...]:
    if norm is not Norm.CORRUPTION:
        return ()
    from auditor.corruptions import chosen

    names = tuple(corruption.name for corruption in chosen(settings.corruptions) if corruption.applies(channels))
    if not names:
        raise UsageError(
            f"--corruptions {settings.corruptions} changes colours alone, and the samples are gray; choose others."
        )
    return names


def corruptions_left_out(settings: Settings, channels: int) -> tuple[str, ...]:
    """Those that were asked for and change nothing in images of so many channels."""
    if all(setting.norm is not Norm.CORRUPTION for setting in settings.threats):
        return ()
    from auditor.corruptions import chosen

    return tuple(corruption.name for corruption in chosen(settings.corruptions) if not corruption.applies(channels))


def _goal(text: str, num_classes: int, classes: Sequence[str] | None) -> tuple[Goal, int | None]:
    """`untargeted` and `dodge` want any other class; `targeted:` and `impersonate:` a class by number or name."""
    kind, _, wanted = text.partition(":")
    if kind in ("untargeted", "dodge") and not wanted:
        return Goal.UNTARGETED, None
    if kind not in ("targeted", "impersonate") or not wanted:
        raise UsageError(
            f"--goal {text!r} is none of untargeted, dodge, targeted:least-likely, targeted:CLASS, impersonate:CLASS."
        )
    return Goal.TARGETED, None if wanted == LEAST_LIKELY else _class(wanted, num_classes, classes)


def _class(wanted: str, num_classes: int, classes: Sequence[str] | None) -> int:
    if classes is not None and wanted in classes:
        return list(classes).index(wanted)
    if wanted.isdigit() and int(wanted) < num_classes:
        return int(wanted)
    near = difflib.get_close_matches(wanted, classes or (), n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    known = f"0 to {num_classes - 1}{', or a name' if classes else ''}"
    raise UsageError(f"--goal names the class {wanted!r}, and the model has no such class ({known}).{hint}")


def check_sizes(settings: Settings, shape: Sequence[int]) -> None:
    """Hold budgets and limits in pixels against the size of the pictures.

    Raises:
        UsageError: a patch is smaller than a pixel, or a shift is larger than the picture.
    """
    for setting in settings.threats:
        if setting.norm is Norm.SPATIAL and len(shape) == 3 and settings.translation >= max(shape[1:]):
            raise UsageError(
                f"--translation {settings.translation:g} moves pictures of {shape[1]}x{shape[2]} pixels out of sight; "
                f"write less than {max(shape[1:])}."
            )
        if setting.norm is Norm.PATCH and len(shape) == 3 and setting.eps * shape[1] * shape[2] < 1.0:
            raise UsageError(
                f"--eps {setting.eps:g} of a picture of {shape[1]}x{shape[2]} pixels is less than one: "
                f"a patch takes at least {1.0 / (shape[1] * shape[2]):.2g}."
            )


def read_mask(path: str | None, shape: Sequence[int]) -> Tensor | None:
    """Which pixels may change, `(1, H, W)` bool, from a picture of the samples' size: white may, black may not.

    What is half as bright as white, or brighter, counts as white.

    Raises:
        UsageError: the picture cannot be read, has another size, or marks nothing.
    """
    if path is None:
        return None
    if len(shape) != 3:
        raise UsageError(f"--mask {path} marks pixels, and these samples, of shape {tuple(shape)}, are no images.")
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(Path(path)) as picture:
            levels = np.asarray(picture.convert("L"))
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or "it is none, or is damaged"
        raise UsageError(f"--mask {path} cannot be read as a picture: {reason}.") from error
    if levels.shape != tuple(shape[1:]):
        raise UsageError(
            f"--mask {path} has {levels.shape[0]}x{levels.shape[1]} pixels, and the samples {shape[1]}x{shape[2]}: "
            f"draw it in their size."
        )
    mask = torch.from_numpy(levels >= _LEVELS)[None]
    if not bool(mask.any()):
        raise UsageError(f"--mask {path} is black all over, so nothing may change; white marks what may.")
    return mask
