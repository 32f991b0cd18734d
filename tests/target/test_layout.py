"""Which arrangement of samples a network's input shape means."""

from __future__ import annotations

import pytest

from auditor.errors import DataError
from auditor.target.layout import fit
from auditor.target.preprocessing import Preprocessing

BASE = Preprocessing()


@pytest.mark.parametrize(
    ("sample", "wanted", "expected"),
    [
        ((3, 32, 32), (3, 32, 32), Preprocessing()),
        ((3, 32, 32), (3, None, None), Preprocessing()),
        ((3, 32, 32), (None, None, None), Preprocessing()),
        ((3, 32, 32), None, Preprocessing()),
        ((3, 32, 32), (32, 32, 3), Preprocessing(layout="nhwc")),
        ((3, 32, 32), (None, None, 3), Preprocessing(layout="nhwc")),
        ((1, 28, 28), (784,), Preprocessing(layout="flat")),
        ((1, 28, 28), (None,), Preprocessing(layout="flat")),
        ((1, 28, 28), (784, 1), Preprocessing(layout="flat", shape=(784, 1))),
        ((1, 28, 28), (1, 784), Preprocessing(layout="flat", shape=(1, 784))),
        ((1, 28, 28), (784, 1, 1), Preprocessing(layout="flat", shape=(784, 1, 1))),
        ((1, 28, 28), (28, 28), Preprocessing(shape=(28, 28))),
        ((1, 28, 28), (None, None, 1), Preprocessing(layout="nhwc")),
        ((3, 32, 32), (3072,), Preprocessing(layout="flat")),
        ((3, 32, 32), (3, 224, 224), Preprocessing(size=(224, 224))),
        ((3, 32, 32), (64, 48, 3), Preprocessing(size=(64, 48), layout="nhwc")),
        ((1, 28, 28), (3, 28, 28), Preprocessing(channels=3)),
        ((1, 28, 28), (32, 32, 3), Preprocessing(channels=3, size=(32, 32), layout="nhwc")),
        ((3, 48, 48), (1, 3, 48, 48), Preprocessing(shape=(1, 3, 48, 48))),
        ((13,), (13,), Preprocessing()),
        ((13,), (None,), Preprocessing()),
        ((13,), (13, 1), Preprocessing(shape=(13, 1))),
    ],
)
def test_the_arrangement_is_read_from_the_shapes(
    sample: tuple[int, ...], wanted: tuple[int | None, ...] | None, expected: Preprocessing
) -> None:
    assert fit(BASE, sample, wanted, "auto") == expected


def test_what_the_user_says_decides() -> None:
    assert fit(BASE, (3, 3, 3), (3, 3, 3), "nhwc").layout == "nhwc"
    assert fit(BASE, (3, 32, 32), (3072,), "nhwc") == Preprocessing(layout="nhwc", shape=(3072,))
    assert fit(BASE, (3, 32, 32), None, "flat").layout == "flat"
    small = Preprocessing(size=(32, 32))
    assert fit(small, (1, 28, 28), (1024,), "auto") == Preprocessing(size=(32, 32), layout="flat")
    assert fit(small, (1, 28, 28), (32, 32), "auto") == Preprocessing(size=(32, 32), shape=(32, 32))


def test_a_cube_is_ambiguous_and_the_sentence_says_which_flag_decides() -> None:
    with pytest.raises(DataError, match=r"3x3x3 .*--layout nchw or --layout nhwc"):
        fit(BASE, (3, 3, 3), (3, 3, 3), "auto")


@pytest.mark.parametrize(
    ("sample", "wanted", "words"),
    [
        ((1, 28, 28), (900,), r"1x28x28 .* 900; give --input-size"),
        ((3, 28, 28), (1, 28, 28), r"3x28x28 .* 1x28x28.*convert the samples to gray"),
        ((1, 28, 28), (784, 2), r"1x28x28 .* 784x2"),
        ((1, 28, 28), (32, 32), r"1x28x28 .* 32x32; give --input-size"),
        ((3, 28, 28), (5, 28, 28), r"3x28x28 .* 5x28x28"),
        ((3, 28, 28), (), r"3x28x28 .* \(\)"),
        ((13,), (12,), r"13 .* 12"),
    ],
)
def test_shapes_that_cannot_be_meant_are_both_named(
    sample: tuple[int, ...], wanted: tuple[int, ...], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        fit(BASE, sample, wanted, "auto")


def test_an_input_size_against_the_models_own_is_refused() -> None:
    with pytest.raises(DataError, match=r"--input-size 64,64 does not fit .* 3x224x224"):
        fit(Preprocessing(size=(64, 64)), (3, 32, 32), (3, 224, 224), "auto")
