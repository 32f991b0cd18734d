"""JPEG compression."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from auditor.defense import Wrapper
from auditor.parameters import parameter
from auditor_defenses._smooth_jpeg import smooth_jpeg

if TYPE_CHECKING:
    from auditor.types import Images


@dataclass(frozen=True, kw_only=True)
class Jpeg(Wrapper):
    """Compresses each image as a JPEG file and reads it again, as Pillow does it.

    Attacks differentiate the codec's own steps with a smooth rounding, `round(v) + (v - round(v))^3` (Shin & Song
    2017). With the identity in its place they leave up to 38 points more standing (docs/explanation/wrappers.md).

    Helps: against examples that live in high frequencies or below its rounding, made without knowing of it.
    Blind to: an attacker who differentiates a stand-in (Athalye et al., arXiv:1802.00420).
    Cost: some 0.1 ms an image on the CPU, one by one, in every answer.
    Use it when: pictures are compressed on their way to the model as it is.
    """

    name: ClassVar[str] = "jpeg"
    paper: ClassVar[str] = "arXiv:1608.00853, arXiv:1705.02900"
    images_only: ClassVar[bool] = True

    quality: int = parameter(75, low=1, high=100, help="of the file, as Pillow counts it")

    def unfit(self, shape: tuple[int, ...]) -> str | None:
        if len(shape) == 3 and shape[0] not in (1, 3):
            return f"works on gray or colour images, and these have {shape[0]} channels."
        return super().unfit(shape)

    def apply(self, x: Images) -> Images:
        levels = (x.clamp(0.0, 1.0) * 255.0).round().to("cpu", torch.uint8)
        made = torch.stack([_read(_written(image, self.quality)) for image in levels]) if len(x) else levels
        return made.to(x.device).to(x.dtype) / 255.0

    def stand_in(self, x: Images) -> Images:
        return smooth_jpeg(x, self.quality)


def _written(image: Tensor, quality: int) -> bytes:
    """A JPEG file of one image, `(C, H, W)` uint8 on the CPU."""
    from PIL import Image

    levels = image[0] if len(image) == 1 else image.permute(1, 2, 0)
    file = io.BytesIO()
    Image.fromarray(levels.numpy()).save(file, "JPEG", quality=quality)
    return file.getvalue()


def _read(file: bytes) -> Tensor:
    import numpy as np
    from PIL import Image

    with Image.open(io.BytesIO(file)) as image:
        levels = torch.from_numpy(np.array(image))
    return levels[None] if levels.dim() == 2 else levels.permute(2, 0, 1)
