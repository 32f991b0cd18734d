from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from auditor.formats.html.drawing import data_uri, is_picture


def opened(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_grey_and_colour_keep_every_level() -> None:
    grey = np.arange(256, dtype=np.float32).reshape(1, 16, 16) / 255
    assert np.array_equal(np.array(opened(data_uri(grey))), np.arange(256).reshape(16, 16))
    colour = np.stack([grey[0], grey[0] * 0, 1 - grey[0]])
    assert np.array_equal(np.array(opened(data_uri(colour)))[..., 2], 255 - np.arange(256).reshape(16, 16))


def test_large_images_are_reduced_by_a_whole_factor() -> None:
    assert opened(data_uri(np.zeros((3, 600, 300), np.float32))).size == (100, 200)
    assert opened(data_uri(np.zeros((3, 256, 256), np.float32))).size == (256, 256)


def test_values_that_are_no_pixels_do_not_break_the_report() -> None:
    assert opened(data_uri(np.array([[[np.nan, np.inf], [-np.inf, 0.5]]], np.float32))).size == (2, 2)


@pytest.mark.parametrize(
    ("shape", "shown"),
    [((3, 32, 32), True), ((1, 28, 28), True), ((1, 784, 1), False), ((16000,), False), ((7, 32, 32), False)],
)
def test_only_images_have_pictures(shape: tuple[int, ...], shown: bool) -> None:
    assert is_picture(shape) is shown
