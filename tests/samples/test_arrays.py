"""What arrays of samples and labels mean, read from archives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from auditor import DataError, Samples
from auditor.samples.pixels import fit

Open = Callable[..., Samples]
Pictures = NDArray[np.uint8]
Save = Callable[..., Path]
Expect = Callable[[Pictures], NDArray[np.float32]]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(
    "form",
    [
        lambda p: p,
        lambda p: p.transpose(0, 3, 1, 2).copy(),
        np.asfortranarray,
        lambda p: p.astype(np.int64),
        lambda p: p.astype(np.float32) / np.float32(255),
        lambda p: p / 255.0,
        lambda p: p.astype(">f4"),
        lambda p: np.asfortranarray(p.astype(np.float64)),
    ],
    ids=["NHWC", "NCHW", "Fortran", "int64", "unit float32", "unit float64", "0..255 big-endian", "0..255 Fortran"],
)
def test_every_way_to_save_pictures_gives_the_same_samples(
    load: Open, save: Save, pictures: Pictures, y: NDArray[np.int64], as_fetched: Expect, compressed: bool, form: Any
) -> None:
    samples = load(save(compressed, x=form(pictures), y=y))
    assert samples.shape == (3, 6, 7)
    assert samples.eight_bit
    assert samples.labels.tolist() == y.tolist()
    np.testing.assert_array_equal(samples.fetch([19, 3, 4, 5, 0]).numpy(), as_fetched(pictures[[19, 3, 4, 5, 0]]))
    assert samples.fetch([]).shape == (0, 3, 6, 7)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((2, 5, 6), (1, 5, 6)),
        ((2, 5, 6, 1), (1, 5, 6)),
        ((2, 1, 5, 6), (1, 5, 6)),
        ((2, 13, 20, 20), (13, 20, 20)),
        ((2, 20, 20, 13), (13, 20, 20)),
        ((2, 3, 6, 3), (3, 6, 3)),
        ((2, 9), (9,)),
        ((2, 3, 4, 5, 6), (3, 4, 5, 6)),
    ],
)
def test_the_layout_follows_from_the_shape(
    load: Open, save: Save, shape: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    samples = load(save(x=np.random.default_rng(0).random(shape), y=[0, 1]))
    assert samples.shape == expected
    assert tuple(samples.fetch([0]).shape[1:]) == expected
    assert not samples.eight_bit


@pytest.mark.parametrize(
    ("labels", "expected", "classes"),
    [
        (np.array([[2], [0], [1]]), [2, 0, 1], None),
        (np.eye(3)[[2, 0, 1]], [2, 0, 1], None),
        (np.array([2.0, 0.0, 1.0]), [2, 0, 1], None),
        (np.array([2, 0, 1], np.uint8), [2, 0, 1], None),
        (np.array([True, False, True]), [1, 0, 1], None),
        (np.array(["cat", "ant", "bee"]), [2, 0, 1], ("ant", "bee", "cat")),
        (np.array(["10", "2", "0"]), [10, 2, 0], None),
    ],
    ids=["column", "one-hot", "float", "uint8", "bool", "names", "digits"],
)
def test_labels_may_be_written_in_many_ways(
    load: Open, save: Save, labels: NDArray[Any], expected: list[int], classes: tuple[str, ...] | None
) -> None:
    samples = load(save(x=np.random.default_rng(0).random((3, 4)), y=labels))
    assert samples.labels.tolist() == expected
    assert samples.classes == classes


def test_class_names_in_the_archive_carry_labels_to_the_models_order(
    load: Open, save: Save, pictures: Pictures
) -> None:
    path = save(x=pictures[:3], y=[0, 1, -1], classes=np.array(["cat", "dog", "owl"]))
    assert load(path).classes == ("cat", "dog", "owl")
    samples = load(path, classes=("dog", "fox", "cat"))
    assert samples.labels.tolist() == [2, 0]
    assert [(s.name, s.reason) for s in samples.skipped] == [("2", "has no label")]


def test_names_are_positions_in_the_archive(load: Open, save: Save, pictures: Pictures, y: NDArray[np.int64]) -> None:
    samples = load(save(x=pictures, y=y), limit=3)
    taken = [int(name) for name in samples.names(range(3))]
    assert y[taken].tolist() == samples.labels.tolist()
    assert sorted(samples.labels.tolist()) == [0, 1, 2]


def test_rounding_beyond_the_range_is_clipped(load: Open, save: Save) -> None:
    x = np.array([[-0.00005, 0.5], [1.00005, 0.25]])
    assert load(save(x=x, y=[0, 1])).fetch([0, 1]).tolist() == [[0.0, 0.5], [1.0, 0.25]]


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (np.array([[-2.1, 2.64]]), r"from -2\.1 to 2\.64, so it looks already normalised"),
        (np.array([[-1.0, 1.0]]), "already normalised"),
        (np.array([[0.0, 16.0]]), "from 0 to 16, which is neither"),
        (np.array([[0, 100]]), "from 0 to 100, which is neither"),
        (np.array([[0.0, 300.0]]), "from 0 to 300, which is neither"),
        (np.array([[-200, 200]], np.int16), "neither"),
        (np.array([[0, 1]], np.uint8), "only the integers 0 and 1"),
        (np.array([[0, 1]]), "only the integers 0 and 1"),
        (np.array([[1j]]), "save numbers"),
        (np.array([["a"]]), "text where pixels are expected"),
        (np.array([{}]), "pickle of Python objects"),
        (np.zeros((1, 0, 4)), "write or download it again"),
        (np.zeros(1), r"array of shape \(1,\)"),
        (np.float64(3), "first numbers must be equal"),
        (np.zeros((2, 4)), "first numbers must be equal"),
    ],
)
def test_values_that_are_no_pixels_are_refused_with_what_was_found(
    load: Open, save: Save, x: NDArray[Any], says: str
) -> None:
    with pytest.raises(DataError, match=says):
        load(save(x=x, y=[0]))


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ([0.5], "label 0.5"),
        ([[0.5, 0.5]], "not one-hot"),
        ([[[1]]], "labels of shape"),
        ([2**40], "numbers of classes"),
        ([-1], "none of them has a label"),
    ],
)
def test_labels_that_are_none_are_refused(load: Open, save: Save, labels: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        load(save(x=np.zeros((1, 4)), y=np.array(labels)))


def test_an_empty_archive_of_samples_is_refused(load: Open, save: Save) -> None:
    with pytest.raises(DataError, match="holds no samples"):
        load(save(x=np.zeros((0, 4)), y=np.zeros(0)))


def test_booleans_are_black_and_white(load: Open, save: Save) -> None:
    samples = load(save(x=np.array([[True, False]]), y=[0]))
    assert samples.fetch([0]).tolist() == [[1.0, 0.0]]
    assert samples.eight_bit


def test_sixteen_bits_are_scaled_by_their_range(load: Open, save: Save) -> None:
    samples = load(save(x=np.array([[0, 65535, 257]], np.uint16), y=[0]))
    assert samples.fetch([0]).tolist() == [[0.0, 1.0, pytest.approx(1 / 255)]]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_named_and_left_out(load: Open, save: Save, bad: float) -> None:
    x = np.random.default_rng(0).random((5, 1, 4, 4))
    x[3, 0, 2, 2] = bad
    samples = load(save(x=x, y=np.arange(5)))
    assert samples.labels.tolist() == [0, 1, 2, 4]
    assert [(s.name, s.reason) for s in samples.skipped] == [("3", "has NaN or infinite values")]
    np.testing.assert_allclose(samples.fetch([3])[0].numpy(), x[4], atol=1e-7)


def test_mostly_broken_samples_are_refused(load: Open, save: Save) -> None:
    x = np.zeros((5, 4))
    x[:3] = np.nan
    with pytest.raises(DataError, match="3 of the 5 samples"):
        load(save(x=x, y=np.arange(5)))


def test_the_scale_does_not_depend_on_which_samples_are_drawn(load: Open, save: Save) -> None:
    x = np.zeros((10, 4))
    x[0] = 255
    path = save(x=x + 0.5 * (x == 0), y=np.arange(10) % 2)
    darkest = [load(path, limit=2, seed=seed).fetch([0, 1]).min().item() for seed in range(10)]
    assert darkest == pytest.approx([0.5 / 255] * 10)


@pytest.mark.parametrize("unit", [False, True])
def test_arrays_and_files_are_brought_to_size_and_channels_alike(
    load: Open, save: Save, pictures: Pictures, y: NDArray[np.int64], unit: bool
) -> None:
    path = save(x=pictures / np.float32(255) if unit else pictures, y=y)
    gray = load(path, channels=1, size=(4, 4)).fetch([2])[0, 0].numpy() * 255
    expected = np.asarray(fit(Image.fromarray(pictures[2]).convert("L"), (4, 4)), np.float32)
    np.testing.assert_allclose(gray, expected, atol=2 if unit else 1.01)
    assert load(save(x=pictures[..., 0], y=y), channels=3).shape == (3, 6, 7)


def test_gray_from_colour_is_pillows(load: Open, save: Save, pictures: Pictures, y: NDArray[np.int64]) -> None:
    gray = load(save(x=pictures, y=y), channels=1).fetch([5])[0, 0].numpy() * 255
    np.testing.assert_array_equal(np.rint(gray), np.asarray(Image.fromarray(pictures[5]).convert("L")))


def test_rows_of_numbers_cannot_be_resized(load: Open, save: Save) -> None:
    with pytest.raises(DataError, match="which are no images"):
        load(save(x=np.zeros((2, 9)), y=[0, 1]), size=(3, 3))


def test_the_digest_follows_what_is_taken(load: Open, save: Save, pictures: Pictures, y: NDArray[np.int64]) -> None:
    path = save(x=pictures, y=y)
    first = load(path).sha256
    assert load(save(True, x=pictures, y=y, other=y)).sha256 == first
    assert load(path, limit=5).sha256 == load(path, limit=5).sha256
    changed = pictures.copy()
    changed[7, 0, 0, 0] ^= 1
    others = {load(path, limit=5).sha256, load(save(x=changed, y=y)).sha256, load(save(x=pictures, y=y[::-1])).sha256}
    assert len(others | {first}) == 4
