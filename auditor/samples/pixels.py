"""One image: from the bytes of a file to pixels."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Named, because others among Pillow's readers start programs (EPS runs Ghostscript), whatever a file is called.
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
_GRAY = frozenset({"1", "L", "LA", "La"})
_MAX_PIXELS = 1 << 26


class Unreadable(Exception):
    """An image cannot be used; the text completes the sentence that begins with its name."""


def decode(data: bytes, channels: int | None, size: tuple[int, int] | None) -> NDArray[Any]:
    """The pixels of an image file, `(C, H, W)`: uint8, or float32 in `[0, 1]` for 16-bit gray.

    EXIF orientation is applied; palettes and CMYK become RGB; transparency is dropped, as torchvision does. `size`
    `(H, W)` scales the image until it just covers that and cuts the centre.

    Raises:
        Unreadable: empty, damaged, cut short, of an unknown format, or too large.
    """
    if not data:
        raise Unreadable("is empty")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise Unreadable(f"has {image.width} x {image.height} pixels, more than the {_MAX_PIXELS} allowed")
            image.load()
            return _pixels(ImageOps.exif_transpose(image), channels, size)
    except Unreadable:
        raise
    except UnidentifiedImageError as error:
        raise Unreadable(f"is no image that can be read ({', '.join(_FORMATS)})") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Unreadable(f"has more than the {_MAX_PIXELS} pixels allowed") from error
    except Exception as error:  # hostile files make Pillow's readers raise nearly anything
        raise Unreadable(f"is damaged or cut short ({error or type(error).__name__})") from error


def _pixels(image: Image.Image, channels: int | None, size: tuple[int, int] | None) -> NDArray[Any]:
    if image.mode == "F":
        raise Unreadable("holds floating-point values; store it with 8 or 16 bits")
    if image.mode == "I" or image.mode.startswith("I;"):
        return _deep_gray(image, channels, size)
    gray = image.mode in _GRAY
    image = fit(image.convert("L" if (channels or (1 if gray else 3)) == 1 else "RGB"), size)
    array = np.asarray(image)
    return array[None] if array.ndim == 2 else np.moveaxis(array, 2, 0)


def _deep_gray(image: Image.Image, channels: int | None, size: tuple[int, int] | None) -> NDArray[np.float32]:
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise Unreadable("holds values beyond 16 bits; store it with 8 or 16 bits")
    unit = Image.fromarray(values.astype(np.float32) / np.float32(65535))
    array = np.clip(np.asarray(fit(unit, size), dtype=np.float32), 0, 1)[None]
    return np.repeat(array, channels or 1, axis=0)


def fit(image: Image.Image, size: tuple[int, int] | None) -> Image.Image:
    """The image scaled (bilinear, antialiased) until it just covers `size` `(H, W)`, and its centre cut.

    For a square `size` this is torchvision's `Resize` and `CenterCrop` of the same number.
    """
    if size is None or image.size == (size[1], size[0]):
        return image
    height, width = size
    if image.width * height >= image.height * width:
        scaled = (height * image.width // image.height, height)
    else:
        scaled = (width, width * image.height // image.width)
    if scaled[0] * scaled[1] > _MAX_PIXELS:
        raise Unreadable(f"is too thin to be scaled ({image.width} x {image.height} pixels)")
    image = image.resize(scaled, Image.Resampling.BILINEAR)
    left, top = round((scaled[0] - width) / 2), round((scaled[1] - height) / 2)
    return image.crop((left, top, left + width, top + height))


@contextmanager
def quiet() -> Iterator[None]:
    """Turns Pillow's bomb warning into an error and hushes its remarks on odd files; for the thread that opens."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield
