"""A CSV of path and label."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from auditor import DataError, Samples

Open = Callable[..., Samples]
MakeFolder = Callable[..., Path]
Pictures = NDArray[np.uint8]


@pytest.fixture
def root(make_folder: MakeFolder, pictures: Pictures) -> Path:
    """Three images, `a.png` to `c.png`."""
    return make_folder({f"{name}.png": pictures[i] for i, name in enumerate("abc")})


@pytest.mark.parametrize(
    "text",
    [
        "path,label\na.png,cat\nb.png,dog\nc.png,cat\n",
        "\ufeffPath, Label\na.png, cat\nb.png, dog\nc.png, cat",
        "id;class;filename\n1;cat;a.png\n2;dog;b.png\n3;cat;c.png\n",
        "image\ttarget\r\na.png\tcat\r\n\r\nb.png\tdog\r\nc.png\tcat\r\n",
        'file,label\n"a.png","cat"\n"b.png",dog\n./c.png,cat\n',
        "a.png,cat\nb.png,dog\nc.png,cat\n",
    ],
    ids=["plain", "BOM and spaces", "semicolons", "tabs", "quotes", "no header"],
)
def test_columns_are_found_in_every_usual_form(load: Open, root: Path, text: str, pictures: Pictures) -> None:
    (root / "data.csv").write_text(text, encoding="utf-8")
    samples = load(root / "data.csv")
    assert samples.labels.tolist() == [0, 1, 0]
    assert samples.classes == ("cat", "dog")
    assert [name.removeprefix("./") for name in samples.names(range(3))] == ["a.png", "b.png", "c.png"]
    np.testing.assert_array_equal(samples.fetch([1])[0, 0].numpy(), (pictures[1, ..., 0] / 255).astype(np.float32))


def test_whole_numbers_are_labels_by_value(load: Open, root: Path) -> None:
    (root / "data.csv").write_text("path,label\na.png,10\nb.png,2.0\nc.png,0\n")
    samples = load(root / "data.csv")
    assert samples.labels.tolist() == [10, 2, 0]
    assert samples.classes is None


def test_names_map_to_the_models_order(load: Open, root: Path) -> None:
    (root / "data.csv").write_text("path,label\na.png,cat\nb.png,dog\n")
    assert load(root / "data.csv", classes=("dog", "owl", "cat")).labels.tolist() == [2, 0]
    with pytest.raises(DataError, match=r"'cat'.*the nearest is 'Cat'"):
        load(root / "data.csv", classes=("Cat", "dog"))


def test_paths_start_from_the_root_or_from_the_table(load: Open, root: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "tables"
    elsewhere.mkdir()
    (elsewhere / "data.csv").write_text(f"path,label\na.png,0\n{root / 'b.png'},1\n")
    assert load(elsewhere / "data.csv", root=str(root)).labels.tolist() == [0, 1]
    assert load(elsewhere / "data.csv").labels.tolist() == [1]
    with pytest.raises(DataError, match="no folder nowhere for the paths"):
        load(elsewhere / "data.csv", root="nowhere")


def test_rows_that_cannot_be_used_are_named_and_left_out(load: Open, root: Path) -> None:
    (root / "bad.png").write_bytes(b"\x89PNG")
    rows = ["path,label", "a.png,0", "none.png,1", "../images/b.png,1", "b.png,", "c.png,-1", "a,b,c", "bad.png,1"]
    (root / "data.csv").write_text("\n".join(rows))
    samples = load(root / "data.csv")
    assert samples.names(range(len(samples))) == ["a.png"]
    reasons = {skipped.name: skipped.reason for skipped in samples.skipped}
    assert list(reasons) == ["../images/b.png", "line 7", "b.png", "c.png", "none.png", "bad.png"]
    assert "leads out of the root" in reasons["../images/b.png"]
    assert reasons["line 7"] == "has 3 cells where the first line has 2"
    assert reasons["b.png"] == reasons["c.png"] == "has no label"
    assert "is not there" in reasons["none.png"]
    assert "no image" in reasons["bad.png"]


def test_a_file_may_stand_in_the_table_twice(load: Open, root: Path) -> None:
    (root / "data.csv").write_text("path,label\na.png,0\na.png,1\n")
    assert load(root / "data.csv").names([0, 1]) == ["a.png", "a.png"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\n\n", "holds no rows"),
        (b"path,label\n", "holds no samples"),
        (b"path,size\na.png,3\n", "the columns path, size, and none is known to hold labels"),
        (b"where,label\na.png,3\n", "none is known to hold paths"),
        (b"a,b,c\na.png,3,4\n", "none is known to hold paths"),
        (b"a.png\n", "none is known to hold paths"),
        (b"picture,kind\na.png,3\n", "neither names the columns path and label nor a file"),
        (b"path,label\nnone.png,3\n", "None of the 1 samples"),
        (b"path,label\n\xff.png,3\n", "not UTF-8"),
        (b"path,label\n" + b"a" * 200_000 + b",1\n", "no CSV that can be read"),
        (b"path,label\n../a.png,3\n", r"no usable sample.*\.\./a\.png leads out"),
    ],
)
def test_a_table_that_is_none_is_refused_with_a_sentence(load: Open, root: Path, content: bytes, says: str) -> None:
    (root / "data.csv").write_bytes(content)
    with pytest.raises(DataError, match=says):
        load(root / "data.csv")
