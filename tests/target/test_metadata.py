"""What a model file, or a file beside it, says about preprocessing and classes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from auditor.errors import ModelError
from auditor.target.base import ModelOptions
from auditor.target.metadata import fill

NOTHING = ModelOptions()


def test_keys_of_our_own_are_read_as_json(tmp_path: Path) -> None:
    said = {
        "auditor.mean": "[0.5, 0.4, 0.3]",
        "auditor.std": "0.25",
        "auditor.input_range": "[0, 255]",
        "auditor.layout": "nhwc",
        "auditor.input_size": "[32, 48]",
        "auditor.channel_order": '"bgr"',
        "auditor.classes": '["cat", "dog"]',
        "author": "somebody",
    }
    assert fill(NOTHING, tmp_path / "m.onnx", said) == ModelOptions(
        mean=(0.5, 0.4, 0.3),
        std=(0.25,),
        input_range=(0.0, 255.0),
        layout="nhwc",
        input_size=(32, 48),
        channel_order="bgr",
        classes=("cat", "dog"),
    )


def test_flags_go_before_the_file_beside_which_goes_before_the_metadata(tmp_path: Path) -> None:
    (tmp_path / "m.auditor.json").write_text(json.dumps({"mean": [0.2], "std": [0.2]}))
    said = {"auditor.mean": "[0.1]", "auditor.std": "[0.1]", "auditor.input_range": "[0, 2]"}
    filled = fill(ModelOptions(mean=(0.3,)), tmp_path / "m.onnx", said)
    assert (filled.mean, filled.std, filled.input_range) == ((0.3,), (0.2,), (0.0, 2.0))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"Image.BitmapPixelFormat": "Bgr8"}, ModelOptions(channel_order="bgr")),
        ({"Image.NominalPixelRange": "NominalRange_0_255"}, ModelOptions(input_range=(0.0, 255.0))),
        ({"Image.NominalPixelRange": "Normalized_1_1"}, ModelOptions(input_range=(-1.0, 1.0))),
        ({"names": "{0: 'cat', 1: 'dog'}"}, ModelOptions(classes=("cat", "dog"))),
        ({"names": "['cat', 'dog']"}, ModelOptions(classes=("cat", "dog"))),
        ({"names": "__import__('os')"}, NOTHING),
        ({"names": "{0: 'cat', 7: 'dog'}"}, NOTHING),
        ({"Image.NominalPixelRange": "16 to 235"}, NOTHING),
    ],
)
def test_keys_of_others_are_read_where_they_make_sense(
    tmp_path: Path, said: dict[str, str], expected: ModelOptions
) -> None:
    assert fill(NOTHING, tmp_path / "m.onnx", said) == expected


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("mean", '"red"'),
        ("mean", "[NaN]"),
        ("mean", "[]"),
        ("std", "[0]"),
        ("input_range", "[255, 0]"),
        ("input_range", "[1]"),
        ("layout", "cnhw"),
        ("input_size", "[0, 5]"),
        ("classes", '"cat"'),
    ],
)
def test_a_value_that_makes_no_sense_is_named(tmp_path: Path, key: str, text: str) -> None:
    with pytest.raises(ModelError, match=f"auditor.{key}' has no valid {key}"):
        fill(NOTHING, tmp_path / "m.onnx", {f"auditor.{key}": text})


@pytest.mark.parametrize("content", ["{", "[1]", '{"maen": [0.5]}', "[" * 100_000])
def test_a_broken_file_beside_the_model_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "m.auditor.json").write_text(content)
    with pytest.raises(ModelError, match=r"m\.auditor\.json"):
        fill(NOTHING, tmp_path / "m.onnx", {})
