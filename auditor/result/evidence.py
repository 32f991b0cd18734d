"""Evidence: the adversarial examples that were counted, with their originals, so that anyone can check them again.

Layout: `evidence/<model>/<norm>-<eps>/<number>.safetensors`, each file holding `index (n,)`, `label (n,)`,
`original (n, …)` and `adversarial (n, …)` in `[0, 1]`; originals that are 8-bit images are stored as uint8. Threats
whose images are rendered from parameters add those, as `points (n, …)`.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from auditor.errors import RunError
from auditor.types import AUTO

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Shard:
    """Some counted examples, as numpy arrays: `index`, `label` `(n,)` int64; the images `(n, …)` float32.

    Under threats whose images are rendered, `points` `(n, …)` float32 are what they are rendered from.
    """

    index: np.ndarray
    label: np.ndarray
    original: np.ndarray
    adversarial: np.ndarray
    points: np.ndarray | None = None

    @property
    def judged(self) -> np.ndarray:
        """What a referee is to judge: the points, which are the adversarial images under a norm ball."""
        return self.adversarial if self.points is None else self.points

    def select(self, rows: np.ndarray | slice) -> Shard:
        """Some of the examples."""
        points = None if self.points is None else self.points[rows]
        return Shard(self.index[rows], self.label[rows], self.original[rows], self.adversarial[rows], points)


def folder(run: Path, model: str, norm: str, eps: float) -> Path:
    """Where the evidence of one model and threat lies."""
    return run / "evidence" / slug(model) / f"{norm}-{AUTO if math.isinf(eps) else f'{eps:.6g}'}"


def transfer_folder(run: Path, source: str, norm: str, eps: float, attack: str) -> Path:
    """Where the examples lie that one source gave for other models to be tried on."""
    return run / "transfer" / slug(source) / f"{norm}-{eps:.6g}" / slug(attack)


def models_with_evidence(run: Path) -> list[str]:
    """The models, by the names of their folders, of which examples were found, in the order of the alphabet."""
    place = run / "evidence"
    return sorted(each.name for each in place.iterdir() if each.is_dir()) if place.is_dir() else []


def pattern_path(run: Path, model: str, norm: str, eps: float, attack: str) -> Path:
    """Where the pattern lies that a universal attack learned against one model under one threat."""
    budget = AUTO if math.isinf(eps) else f"{eps:.6g}"
    return run / "patterns" / f"{slug(model)}-{slug(f'{norm} {budget}')}-{slug(attack)}.npy"


def slug(name: str) -> str:
    """A file name that holds on every system, for any model name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip(".") or "model"


def write_shard(path: Path, shard: Shard, *, eight_bit: bool) -> None:
    """Write atomically: a reader sees the whole file or none, also after a power cut."""
    import numpy as np
    from safetensors.numpy import save

    original = shard.original
    if eight_bit:
        original = np.rint(original * 255.0).astype(np.uint8)
    tensors = {
        "index": shard.index.astype(np.int64),
        "label": shard.label.astype(np.int64),
        "original": np.ascontiguousarray(original),
        "adversarial": np.ascontiguousarray(shard.adversarial, dtype=np.float32),
    }
    if shard.points is not None:
        tensors["points"] = np.ascontiguousarray(shard.points, dtype=np.float32)
    atomic_write(path, save(tensors))


def atomic_write(path: Path, content: bytes) -> None:
    """Write to a temporary neighbour, flush to the disk, rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_shard(path: Path) -> Shard:
    """Read one file.

    Raises:
        RunError: the file is damaged.
    """
    import numpy as np
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
        original = tensors["original"]
        if original.dtype == np.uint8:
            original = original.astype(np.float32) / np.float32(255.0)
        shard = Shard(tensors["index"], tensors["label"], original, tensors["adversarial"], tensors.get("points"))
        n = len(shard.index)
        fits = shard.index.shape == shard.label.shape == (n,) and shard.adversarial.shape == shard.original.shape
        fits &= len(shard.judged) == len(shard.original) == n
        if not n or not fits or shard.index.dtype.kind != "i":
            raise KeyError("its arrays do not fit each other")
        return shard
    except (OSError, SafetensorError, KeyError) as error:
        raise RunError(f"The evidence file {path} is damaged ({error}); run the scan again.") from error


def read_adversarial(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Positions `(n,)` and adversarial images `(n, …)` of one file, without what else it holds.

    Raises:
        RunError: the file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return file.get_tensor("index"), file.get_tensor("adversarial")
    except (OSError, SafetensorError) as error:
        raise RunError(f"The evidence file {path} is damaged ({error}); run the scan again.") from error


def read_evidence(run: Path, model: str, norm: str, eps: float) -> Iterator[Shard]:
    """All shards that hold examples within `eps`: of this budget and of every smaller one, in ascending order.

    What broke a sample within a smaller budget counts for this one too, and is stored once. The smallest examples
    count wherever they lie within `eps`.
    """
    budgets = []
    for place in (run / "evidence" / slug(model)).glob(f"{norm}-*"):
        with suppress(ValueError):
            said = place.name.removeprefix(f"{norm}-")
            budgets.append((math.inf if said == AUTO else float(said), place))
    for budget, place in sorted(budgets):
        if budget <= eps * (1.0 + 1e-5) or math.isinf(budget):
            for path in sorted(place.glob("*.safetensors")):
                shard = read_shard(path) if budget <= eps * (1.0 + 1e-5) else _within(read_shard(path), norm, eps)
                if len(shard.index):
                    yield shard


def _within(shard: Shard, norm: str, eps: float) -> Shard:
    """The examples of a shard that lie within `eps`."""
    import torch

    from auditor.norms import tolerance
    from auditor.types import Norm, Threat

    threat, original = Threat(norm=Norm(norm), eps=eps), torch.from_numpy(shard.original)
    size = threat.distance(torch.from_numpy(shard.judged), threat.origin(original))
    return shard.select((size <= eps + tolerance(Norm(norm), eps)).numpy())
