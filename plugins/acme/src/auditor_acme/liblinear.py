"""Linear classifiers as LIBLINEAR's `train` writes them: a text file of weights."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from auditor import ModelError, Target

if TYPE_CHECKING:
    from auditor import ModelOptions


def load(path: str, options: ModelOptions, device: torch.device) -> Target | None:
    """The target in a file that ends with `.liblinear`; None for any other.

    Raises:
        ModelError: the file ends so, and holds no classifier with the labels 0, 1, 2, …
    """
    if not path.endswith(".liblinear"):
        return None
    try:
        content = Path(path).read_bytes()
        head, _, rows = content.decode("ascii").partition("\nw\n")
        said = dict(line.split(maxsplit=1) for line in head.splitlines())
        labels, bias = torch.tensor([int(label) for label in said["label"].split()]), float(said["bias"])
        weight = torch.tensor([[float(number) for number in row.split()] for row in rows.splitlines()])
        features, columns = int(said["nr_feature"]), len(labels) if len(labels) > 2 else 1
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{path} is no model file of LIBLINEAR's, or a damaged one: {error!r}.") from error
    if weight.shape != (features + (bias >= 0), columns) or not weight.isfinite().all():
        raise ModelError(f"{path} is damaged: {tuple(weight.shape)} weights for {features} features.")
    if labels.sort().values.tolist() != list(range(len(labels))):
        raise ModelError(f"{path} has the labels {labels.tolist()}; train it with 0, 1, 2, ….")
    # Of two classes there is one column, which speaks for the first label.
    scores = (torch.cat([weight, -weight], 1) if columns == 1 else weight)[:, labels.argsort()].to(device)

    def network(x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1) @ scores[:features] + (bias * scores[features] if bias >= 0 else 0.0)

    return Target(
        name=Path(path).stem,
        source=path,
        sha256=hashlib.sha256(content).hexdigest(),
        format="liblinear",
        deployed=network,
        twin=network,
        gradients="native",
        input_shape=(None, features),
        options=options,
        device=device,
    )
