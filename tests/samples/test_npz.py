"""`.npz` archives."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from auditor import DataError, SampleOptions, Samples
from auditor.samples import auditor_load_samples

Open = Callable[..., Samples]
Pictures = NDArray[np.uint8]
Save = Callable[..., Path]
Expect = Callable[[Pictures], NDArray[np.float32]]


@pytest.mark.parametrize(
    ("names", "split"),
    [
        (("x", "y"), "test"),
        (("X", "Y"), "test"),
        (("images", "labels"), "test"),
        (("x_test", "y_test"), "test"),
        (("x_train", "y_train"), "train"),
        (("test_images", "test_labels"), "test"),
        (("data", "target"), "test"),
    ],
)
def test_usual_names_are_found(
    load: Open, save: Save, pictures: Pictures, y: NDArray[np.int64], names: tuple[str, str], split: str
) -> None:
    other = {"x_train": pictures[:1], "y_train": y[:1]} if names[0] == "x_test" else {}
    samples = load(save(**{names[0]: pictures, names[1]: y}, **other), split=split)
    assert len(samples) == 20


def test_an_archive_that_changes_during_the_audit_is_noticed(
    load: Open, save: Save, pictures: Pictures, y: NDArray[np.int64]
) -> None:
    samples = load(save(x=pictures, y=y))
    samples.fetch([0])
    time.sleep(0.02)
    save(x=pictures[::-1], y=y)
    with pytest.raises(DataError, match="changed while"):
        samples.fetch([0])


def test_the_arrays_that_were_found_are_listed(load: Open, save: Save) -> None:
    with pytest.raises(DataError, match=r"should hold the arrays x and y, and holds features, y"):
        load(save(features=np.zeros(3), y=[0, 1, 2]))


def test_a_pickle_in_an_archive_is_never_opened(load: Open, save: Save, tmp_path: Path) -> None:
    class Planted:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    for arrays in ({"x": np.array([Planted()]), "y": [0]}, {"x": np.zeros((1, 4)), "y": np.array([Planted()])}):
        with pytest.raises(DataError, match="pickle"):
            load(save(**arrays))
    assert not (tmp_path / "ran").exists()


def _archive(path: Path, shape: str, content: bytes, compression: int = zipfile.ZIP_STORED) -> Path:
    """An archive whose `x` declares a shape of bytes and holds `content`."""
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    y = io.BytesIO()
    np.save(y, np.zeros(4, np.int64))
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + content)
        archive.writestr("y.npy", y.getvalue())
    return path


def test_an_archive_made_by_hand_is_read(load: Open, tmp_path: Path) -> None:
    assert load(_archive(tmp_path / "a.npz", "(4, 3)", bytes(range(0, 240, 20)))).shape == (3,)


@pytest.mark.parametrize("shape", ["(4, 1000000000000)", "(4, 4)", "(4, -3)", "(4, 0)", "(4611686018427387904, 0)"])
def test_a_shape_that_is_not_what_the_file_holds_is_refused(load: Open, tmp_path: Path, shape: str) -> None:
    with pytest.raises(DataError, match=r"declares the shape|no NumPy array"):
        load(_archive(tmp_path / "a.npz", shape, b"\0" * 12))


def test_a_bomb_is_not_unpacked(load: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditor.samples.npz._LARGE", 1 << 20)
    with pytest.raises(DataError, match="as no real data does"):
        load(_archive(tmp_path / "a.npz", "(4, 1000000)", b"\0" * 4_000_000, zipfile.ZIP_DEFLATED))


def test_what_does_not_fit_on_the_disk_is_not_unpacked(
    load: Open, save: Save, pictures: Pictures, y: NDArray[np.int64], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        free = 10

    monkeypatch.setattr("shutil.disk_usage", lambda _: Full)
    with pytest.raises(DataError, match="point TMPDIR to a larger disk"):
        load(save(True, x=pictures, y=y))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_damaged_archive_is_read_or_refused_and_nothing_else(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = io.BytesIO()
    compressed = data.draw(st.booleans())
    (np.savez_compressed if compressed else np.savez)(content, x=np.full((3, 4), 200, np.uint8), y=np.arange(3))
    damaged = bytearray(content.getvalue())
    for _ in range(data.draw(st.integers(0, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "a.npz"
    path.write_bytes(damaged[: data.draw(st.integers(0, len(damaged)) | st.just(len(damaged)))])
    try:
        samples = auditor_load_samples(str(path), SampleOptions())
    except DataError:
        return
    assert samples is not None
    x = samples.fetch(range(len(samples)))
    assert 0 <= x.min() <= x.max() <= 1
