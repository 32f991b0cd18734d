"""From the bytes of an image file to pixels."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from torchvision.transforms import v2

from auditor import DataError, Samples
from auditor.samples.pixels import Unreadable, decode, quiet

Encode = Callable[..., bytes]
Open = Callable[..., Samples]
MakeFolder = Callable[..., Path]
Pictures = NDArray[np.uint8]


def test_lossless_formats_give_the_same_pixels(encode: Encode, pictures: Pictures) -> None:
    expected = pictures[0].transpose(2, 0, 1)
    for form, save in [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("PPM", {}), ("WEBP", {"lossless": True})]:
        np.testing.assert_array_equal(decode(encode(pictures[0], form, **save), None, None), expected, form)


def test_gray_stays_gray_and_can_be_made_rgb(encode: Encode) -> None:
    gray = np.arange(42, dtype=np.uint8).reshape(6, 7)
    np.testing.assert_array_equal(decode(encode(gray), None, None), gray[None])
    np.testing.assert_array_equal(decode(encode(gray), 3, None), np.stack([gray] * 3))
    np.testing.assert_array_equal(decode(encode(np.stack([gray] * 3, -1)), 1, None), gray[None])


def test_black_and_white_is_zero_and_255(encode: Encode) -> None:
    bits = np.array([[True, False], [False, True]])
    assert decode(encode(Image.fromarray(bits)), None, None).tolist() == [[[255, 0], [0, 255]]]


def test_palettes_become_their_colours(encode: Encode) -> None:
    picture = Image.new("P", (2, 2))
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.putdata([0, 1, 1, 0])
    assert decode(encode(picture), None, None)[:, 0].tolist() == [[10, 40], [20, 50], [30, 60]]


def test_transparency_is_dropped_as_torchvision_does(encode: Encode, pictures: Pictures) -> None:
    alpha = np.full((6, 7, 1), 100, np.uint8)
    clear = np.concatenate([pictures[0], alpha], 2)
    np.testing.assert_array_equal(decode(encode(clear), None, None), pictures[0].transpose(2, 0, 1))
    gray = np.concatenate([pictures[0][..., :1], alpha], 2)
    np.testing.assert_array_equal(decode(encode(gray), None, None), pictures[0][None, ..., 0])


def test_cmyk_becomes_rgb(encode: Encode) -> None:
    ink = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    red = decode(encode(ink, "TIFF"), None, None)
    assert red[:, 0, 0].tolist() == [255, 0, 0]
    assert decode(encode(ink, "JPEG"), 1, None).shape == (1, 8, 8)


def test_sixteen_bit_gray_keeps_its_precision(encode: Encode) -> None:
    deep = np.array([[0, 1, 257], [32768, 65534, 65535]], np.uint16)
    pixels = decode(encode(Image.fromarray(deep)), None, None)
    np.testing.assert_array_equal(pixels[0], (deep / 65535).astype(np.float32))
    assert decode(encode(Image.fromarray(deep)), 3, (2, 2)).shape == (3, 2, 2)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(encode: Encode, orientation: int) -> None:
    upright = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    undo = {1: 0, 2: "h", 3: 180, 4: "v", 5: "t", 6: 90, 7: "a", 8: 270}[orientation]
    stored = {
        0: upright,
        "h": upright[:, ::-1],
        180: upright[::-1, ::-1],
        "v": upright[::-1],
        "t": upright.T,
        90: np.rot90(upright),
        "a": upright[::-1, ::-1].T,
        270: np.rot90(upright, -1),
    }[undo]
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(np.ascontiguousarray(stored), exif=exif)
    np.testing.assert_array_equal(decode(data, None, None), upright[None])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 24))
def test_a_square_size_is_torchvisions_resize_and_centre_crop(height: int, width: int, side: int) -> None:
    picture = Image.fromarray(np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8))
    file = io.BytesIO()
    picture.save(file, "PNG")
    expected = v2.Compose([v2.Resize(side), v2.CenterCrop(side), v2.PILToTensor()])(picture)
    np.testing.assert_array_equal(decode(file.getvalue(), None, (side, side)), expected.numpy())


def test_an_oblong_size_just_covers_and_cuts_the_centre(encode: Encode) -> None:
    bands = np.repeat(np.array([0, 50, 100, 150], np.uint8), 3)[None].repeat(6, 0)
    np.testing.assert_array_equal(decode(encode(bands), None, (6, 6)), bands[None, :, 3:9])
    np.testing.assert_array_equal(decode(encode(bands.T.copy()), None, (6, 6)), bands.T[None, 3:9])
    assert decode(encode(bands), None, (4, 20)).shape == (1, 4, 20)


def _png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [8193, 12_000, 60_000])
def test_a_bomb_is_told_by_its_header(side: int) -> None:
    with quiet(), pytest.raises(Unreadable, match=r"pixels"):
        decode(_png_header(side, side), None, None)


def test_an_image_too_thin_to_be_scaled_is_left_out(encode: Encode) -> None:
    with pytest.raises(Unreadable, match="too thin"):
        decode(encode(np.zeros((1, 60_000), np.uint8)), None, (224, 224))


def test_programs_are_not_started_for_files_that_claim_another_type() -> None:
    with pytest.raises(Unreadable, match="no image that can be read"):
        decode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n", None, None)


def test_floating_point_images_are_left_out(encode: Encode) -> None:
    with pytest.raises(Unreadable, match="floating-point"):
        decode(encode(np.zeros((2, 2), np.float32), "TIFF"), None, None)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damage_is_either_harmless_or_told(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"]))
    file = io.BytesIO()
    Image.fromarray(np.arange(300, dtype=np.uint16).astype(np.uint8).reshape(10, 10, 3)).save(file, form)
    content = bytearray(file.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    try:
        with quiet():
            pixels = decode(bytes(content), None, (8, 8))
    except Unreadable:
        return
    assert pixels.shape[1:] == (8, 8)


def test_one_picture_in_colour_makes_gray_ones_rgb(load: Open, make_folder: MakeFolder, pictures: Pictures) -> None:
    gray = pictures[1][..., 0].copy()
    samples = load(make_folder({"a/0.png": pictures[0], "a/1.png": gray}))
    assert samples.shape == (3, 6, 7)
    fetched = samples.fetch([1])[0]
    assert torch.equal(fetched[0], fetched[1])
    np.testing.assert_array_equal(fetched[2].numpy(), (gray / 255).astype(np.float32))


def test_sixteen_bit_samples_are_not_eight_bit(load: Open, make_folder: MakeFolder, encode: Encode) -> None:
    deep = encode(Image.fromarray(np.full((4, 4), 1234, np.uint16)))
    samples = load(make_folder({"a/0.png": deep}))
    assert not samples.eight_bit
    assert samples.fetch([0]).unique().tolist() == pytest.approx([1234 / 65535])


def test_differing_sizes_need_one_size(load: Open, make_folder: MakeFolder, pictures: Pictures) -> None:
    root = make_folder({"a/0.png": pictures[0], "b/1.png": pictures[1][:5]})
    with pytest.raises(DataError, match=r"a/0\.png is 6 x 7 and b/1\.png is 5 x 7 .*--input-size H,W"):
        load(root)
    assert load(root, size=(4, 5)).fetch([0, 1]).shape == (2, 3, 4, 5)
