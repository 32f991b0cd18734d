"""Parquet as the Hugging Face hub stores image data sets."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from auditor import DataError, Samples

Open = Callable[..., Samples]
Encode = Callable[..., bytes]
Pictures = NDArray[np.uint8]
Expect = Callable[[Pictures], NDArray[np.float32]]
Write = Callable[..., Path]
STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@pytest.fixture
def write(tmp_path: Path, encode: Encode) -> Write:
    """A Parquet file of pictures and labels in small row groups; `names` are written as the hub writes them."""

    def call(
        images: Sequence[Any],
        labels: Any,
        file: str = "data.parquet",
        names: Sequence[str] | None = None,
        columns: tuple[str, str] = ("image", "label"),
        nested: bool = True,
    ) -> Path:
        encoded = [encode(image) if isinstance(image, np.ndarray) else image for image in images]
        rows = [{"bytes": image, "path": f"{i}.png"} for i, image in enumerate(encoded)] if nested else encoded
        table = pa.table({columns[0]: pa.array(rows, STRUCT if nested else pa.binary()), columns[1]: labels})
        if names is not None:
            label = {"names": list(names), "_type": "ClassLabel"}
            features = {columns[0]: {"_type": "Image"}, columns[1]: label}
            table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path, row_group_size=6)
        return path

    return call


@pytest.mark.parametrize(
    ("columns", "nested"), [(("image", "label"), True), (("img", "fine_label"), True), (("photo", "y"), False)]
)
def test_images_and_labels_are_read_in_order(
    load: Open, write: Write, pictures: Pictures, as_fetched: Expect, columns: tuple[str, str], nested: bool
) -> None:
    samples = load(write(pictures, np.arange(20) % 3, columns=columns, nested=nested))
    assert samples.labels.tolist() == [i % 3 for i in range(20)]
    assert (samples.shape, samples.eight_bit, samples.classes) == ((3, 6, 7), True, None)
    assert samples.names([3, 17]) == (["3.png", "17.png"] if nested else ["3", "17"])
    np.testing.assert_array_equal(samples.fetch([17, 3, 4]).numpy(), as_fetched(pictures[[17, 3, 4]]))


def test_a_draw_reads_the_samples_that_it_names(
    load: Open, write: Write, pictures: Pictures, as_fetched: Expect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auditor.samples.images._KEEP_BYTES", 0)
    samples = load(write(pictures, np.arange(20) % 3), limit=7)
    drawn = [int(name.removesuffix(".png")) for name in samples.names(range(7))]
    assert samples.labels.tolist() == [i % 3 for i in drawn]
    np.testing.assert_array_equal(samples.fetch(range(7)).numpy(), as_fetched(pictures[drawn]))


def test_class_names_of_the_hub_carry_labels_to_the_models_order(load: Open, write: Write, pictures: Pictures) -> None:
    path = write(pictures[:3], [0, 1, 2], names=["cat", "dog", "owl"])
    assert load(path).classes == ("cat", "dog", "owl")
    assert load(path, classes=("owl", "cat", "dog")).labels.tolist() == [1, 2, 0]
    with pytest.raises(DataError, match="'owl'"):
        load(path, classes=("cat", "dog"))


def test_labels_may_be_names_and_may_be_missing(load: Open, write: Write, pictures: Pictures) -> None:
    samples = load(write(pictures[:4], ["dog", None, "cat", "dog"]))
    assert samples.labels.tolist() == [1, 0, 1]
    assert [(s.name, s.reason) for s in samples.skipped] == [("1.png", "has no label")]
    assert load(write(pictures[:3], pa.array([1, None, -1]))).labels.tolist() == [1]
    dictionary = pa.array(["dog", "cat"]).dictionary_encode()
    assert load(write(pictures[:2], dictionary)).labels.tolist() == [1, 0]


def test_damaged_and_absent_images_are_named_and_left_out(load: Open, write: Write, pictures: Pictures) -> None:
    samples = load(write([pictures[0], None, b"no image", pictures[3]], [0, 1, 2, 3]))
    assert samples.labels.tolist() == [0, 3]
    assert [skipped.name for skipped in samples.skipped] == ["1.png", "2.png"]


def test_shards_are_one_data_set_in_their_order(
    load: Open, write: Write, pictures: Pictures, as_fetched: Expect
) -> None:
    write(pictures[10:], [1] * 10, "hub/data/test-00001-of-00002.parquet")
    write(pictures[:10], [0] * 10, "hub/data/test-00000-of-00002.parquet")
    folder = write(pictures, [2] * 20, "hub/data/train-00000-of-00001.parquet").parent.parent
    samples = load(folder)
    assert samples.labels.tolist() == [0] * 10 + [1] * 10
    np.testing.assert_array_equal(samples.fetch(range(20)).numpy(), as_fetched(pictures))
    assert load(folder, split="train").labels.tolist() == [2] * 20
    assert load(folder / "data").sha256 == samples.sha256
    with pytest.raises(DataError, match="parts 'test', 'train', and not 'validation'"):
        load(folder, split="validation")


def test_the_only_part_is_taken_whatever_its_name(load: Open, write: Write, pictures: Pictures) -> None:
    folder = write(pictures, [2] * 20, "hub/validation-00000-of-00001.parquet").parent
    assert len(load(folder)) == 20


@pytest.mark.parametrize(
    ("columns", "says"),
    [(("image", "size"), "none is known to hold labels"), (("label", "y"), None)],
)
def test_columns_are_told_apart_or_listed(
    load: Open, write: Write, pictures: Pictures, columns: tuple[str, str], says: str | None
) -> None:
    path = write(pictures, [0] * 20, columns=columns)
    if says is None:
        assert len(load(path)) == 20
        return
    with pytest.raises(DataError, match=says):
        load(path)


def test_tables_without_image_bytes_are_refused(load: Open, tmp_path: Path) -> None:
    pq.write_table(pa.table({"pixels": [[1, 2]], "label": [0]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="columns pixels, label, and none is known to hold image bytes"):
        load(tmp_path / "a.parquet")


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"PAR1" + b[9:], lambda b: b"PAR1PAR1"])
def test_a_damaged_file_is_refused(
    load: Open, write: Write, pictures: Pictures, damage: Callable[[bytes], bytes]
) -> None:
    path = write(pictures, [0] * 20)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=r"data\.parquet cannot be read"):
        load(path)


def test_empty_tables_and_odd_labels_are_refused(load: Open, write: Write, pictures: Pictures) -> None:
    with pytest.raises(DataError, match="holds no samples"):
        load(write([], pa.array([], pa.int64())))
    with pytest.raises(DataError, match=r"label \[1\]"):
        load(write(pictures[:1], [[1]]))
    with pytest.raises(DataError, match=r"label 0\.5"):
        load(write(pictures[:1], [0.5]))


def test_without_pyarrow_it_is_said_what_to_install(
    load: Open, write: Write, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(pictures, [0] * 20)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r"pip install 'auditor\[parquet\]'"):
        load(path)
