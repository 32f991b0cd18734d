"""From arrays to pictures in the page: PNG data URIs, a magnified difference, where a patch lies."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

from auditor.formats.html.shown import Shown

if TYPE_CHECKING:
    import numpy as np

    Box = tuple[int, int, int, int]

SMALL = 96
"""Up to this side a picture's pixels should be seen as such."""
_LARGE = 256
_LEAST_SIDE = 4


def is_picture(shape: tuple[int, ...]) -> bool:
    """Whether `(C, H, W)` can be shown: one or three channels, and no mere strip of numbers."""
    return len(shape) == 3 and shape[0] in (1, 3) and min(shape[1:]) >= _LEAST_SIDE


def shown(image: np.ndarray, alt: str, outline: Box | None = None) -> Shown:
    """A picture `(C, H, W)` in `[0, 1]`, with a rectangle around what is to be looked at."""
    height, width = image.shape[1:]
    return Shown(uri=data_uri(image), alt=alt, width=width, height=height, outline=outline)


def difference(original: np.ndarray, adversarial: np.ndarray) -> tuple[np.ndarray, float]:
    """The change, magnified so that the largest one is black or white; grey stands for none. And by what factor."""
    import numpy as np

    change = adversarial - original
    largest = float(np.abs(change).max())
    factor = 0.5 / largest if largest > 0.0 else 1.0
    return 0.5 + factor * change, factor


def changed_box(original: np.ndarray, adversarial: np.ndarray) -> Box | None:
    """Left, top, width and height of the rectangle that holds all changes; None where there are none."""
    import numpy as np

    rows, columns = np.nonzero((original != adversarial).any(0))
    if not len(rows):
        return None
    left, top = int(columns.min()), int(rows.min())
    return left, top, int(columns.max()) - left + 1, int(rows.max()) - top + 1


def data_uri(image: np.ndarray) -> str:
    """`(C, H, W)` in `[0, 1]` as a PNG data URI; images beyond 256 pixels a side are reduced by a whole factor."""
    import numpy as np
    from PIL import Image

    levels = np.rint(np.clip(np.nan_to_num(image), 0.0, 1.0) * 255.0).astype(np.uint8)
    picture = Image.fromarray(levels[0] if len(levels) == 1 else np.ascontiguousarray(levels.transpose(1, 2, 0)))
    if (factor := -(-max(picture.size) // _LARGE)) > 1:
        picture = picture.reduce(factor)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
