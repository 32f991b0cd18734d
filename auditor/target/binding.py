"""Binding a model to samples: how their shape gets into it, how batches run, what its answers mean."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from auditor.errors import AuditorError, DataError, ModelError, UsageError
from auditor.target import notices
from auditor.target.batching import as_rows, choose
from auditor.target.head import heads
from auditor.target.layout import fit
from auditor.target.preprocessing import Preprocessing

if TYPE_CHECKING:
    from auditor.check import Finding
    from auditor.samples.base import Samples
    from auditor.target.base import Target
    from auditor.types import Images

PROBE = 8
"""Samples that the model is asked about to learn what its answers are."""

TWIN_TOLERANCE = 1e-2
"""Rows of a twin may differ so much with the batch, as a share of the range: a quantised one moves by whole steps."""


def bind(target: Target, samples: Samples) -> None:
    """Make `target` answer samples such as these; see `bind_to`."""
    if not len(samples):
        raise DataError(f"{samples.source} holds no samples.")
    bind_to(target, samples.fetch(range(min(PROBE, len(samples)))))


def bind_to(target: Target, x: Images) -> None:
    """Complete `target` in place: preprocessing, batching, heads, number of classes, and findings about them.

    Args:
        target: as a loader made it; bound once.
        x: at least one sample, `(N, …)` in `[0, 1]`.

    Raises:
        DataError: samples of this shape do not fit the model.
        ModelError: the model does not run, or answers with something else than scores of classes.
        UsageError: flags do not fit the samples.
    """
    x = x[:PROBE].to(target.device)
    target.preprocessing = preprocessing = _preprocessing(target, tuple(x.shape[1:]))
    target.findings.extend(_notices(preprocessing, tuple(x.shape[1:]), target))
    inputs = preprocessing(x)
    # Beside each sample its negative: a score that merely happens to lie in [0, 1] leaves it there.
    rows = _settle_batching(target, inputs, preprocessing(_two_different(x)), preprocessing(1.0 - x))
    _refuse_labels(target.name, rows)
    target.head, target.twin_head = heads(target.ending, target.stripped, rows)
    target.num_classes = 2 if target.head.binary else rows.shape[1]
    target.classes = target.options.classes or target.classes
    if target.classes is not None and len(target.classes) != target.num_classes:
        raise ModelError(
            f"{target.name} answers with {target.num_classes} classes, and {len(target.classes)} class names are "
            "given; correct --classes or the model's metadata."
        )


def _refuse_labels(name: str, rows: Tensor) -> None:
    """Whole numbers beyond 1, one for each sample, are labels; scores of two classes look otherwise."""
    labels = rows.shape[1] == 1 and bool((rows == rows.round()).all()) and bool((rows >= 0).all())
    if labels and bool((rows > 1).any()):
        some = ", ".join(f"{value:g}" for value in sorted(set(rows.flatten().tolist()))[:4])
        raise ModelError(
            f"{name} answers each sample with one whole number ({some} …), a label and not the scores of the classes; "
            f"let it return its logits, without argmax at its end, or export it as ONNX with labels in int64."
        )


def _preprocessing(target: Target, sample: tuple[int, ...]) -> Preprocessing:
    options, rounded = target.options, not target.input_dtype.is_floating_point
    if rounded and options.input_range is None and target.input_dtype is not torch.uint8:
        raise ModelError(
            f"{target.name} takes {str(target.input_dtype).removeprefix('torch.')}; say with --input-range LOW,HIGH "
            "which numbers pixels become."
        )
    base = Preprocessing(
        size=options.input_size if len(sample) == 3 else None,
        channel_order=options.channel_order,
        input_range=options.input_range or ((0.0, 255.0) if rounded else (0.0, 1.0)),
        mean=options.mean or (),
        std=options.std or (),
        rounded=rounded,
    )
    wanted = None if target.input_shape is None else target.input_shape[1:]
    try:
        found = fit(base, sample, wanted, options.layout)
    except DataError as error:
        raise DataError(f"{target.name}: {error}") from error
    _check_channels(found, sample)
    return found if found.size != sample[1:] else replace(found, size=None)


def _check_channels(found: Preprocessing, sample: tuple[int, ...]) -> None:
    channels = found.channels or (sample[0] if sample else 1)
    for flag, values in (("--mean", found.mean), ("--std", found.std)):
        if len(values) not in (0, 1, channels):
            raise UsageError(f"{flag} has {len(values)} numbers, and the model's input has {channels} channels.")
    if found.channel_order == "bgr" and channels != 3:
        raise UsageError(f"The channel order bgr makes sense for 3 channels, and the input has {channels}.")


def _notices(found: Preprocessing, sample: tuple[int, ...], target: Target) -> list[Finding]:
    said = []
    if found.size is not None:
        said.append(notices.scaled(sample, found.size))
    if found.channels is not None:
        said.append(notices.repeated(found.channels))
    if found.rounded:
        said.append(notices.rounded(str(target.input_dtype).removeprefix("torch.")))
    return said


def _settle_batching(target: Target, inputs: Tensor, pair: Tensor, negatives: Tensor) -> Tensor:
    """Make deployed model and twin take any batch size; answers of the deployed model for the head to be read from."""
    size = target.input_shape[0] if target.input_shape else None
    own_twin = target.twin is target.deployed
    try:
        target.deployed, way = choose(target.deployed, pair, size, mappable=own_twin)
        with torch.no_grad():
            rows = as_rows(target.deployed(torch.cat([inputs, negatives])), 2 * len(inputs))
    except ModelError as error:
        raise ModelError(f"{target.name}: {error}") from error
    except (AuditorError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # a border: the network may be the user's own code
        shape = "x".join(map(str, inputs.shape))
        raise ModelError(f"{target.name} does not run on inputs of shape {shape}: {_first_line(error)}") from error
    target.batching = way
    if own_twin:
        target.twin = target.deployed
    elif target.twin is not None:
        try:
            target.twin, twin_way = choose(target.twin, pair, size, mappable=True, tolerance=TWIN_TOLERANCE)
            if way != twin_way:
                target.batching = f"{way}; twin {twin_way}"
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            target.drop_twin(notices.no_twin(_first_line(error), notices.remedy(error)))
    return rows


def _two_different(x: Images) -> Images:
    """Two samples that differ, so that a batch that mixes or drops rows shows."""
    if len(x) > 1 and not torch.equal(x[0], x[1]):
        return x[:2]
    return torch.cat([x[:1], 1.0 - x[:1]])


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
