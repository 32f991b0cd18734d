"""The samples that are held out for the report, as a file of their own that any later audit can use."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from auditor.errors import UsageError
from auditor.result.evidence import atomic_write

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.samples.base import Samples

FILE = "held-out.npz"


def write_held_out(samples: Samples, rows: Tensor, folder: Path) -> Path:
    """These rows as `x` and `y`; images of 8 bits stay such. Raises UsageError where they cannot be written."""
    x = samples.fetch(rows.tolist()).numpy()
    pixels = np.round(255.0 * x).astype(np.uint8) if samples.eight_bit else x
    data = io.BytesIO()
    np.savez(data, x=pixels, y=samples.labels[rows].numpy())
    try:
        atomic_write(folder / FILE, data.getvalue())
    except OSError as error:
        raise UsageError(f"{folder / FILE} cannot be written: {error.strerror}; make room.") from error
    return folder / FILE
