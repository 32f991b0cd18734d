"""Which sources are read, which are left to others, and what opening costs."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from auditor import DataError, SampleOptions, Samples, UsageError
from auditor.samples import auditor_load_samples

Open = Callable[..., Samples]


@pytest.mark.parametrize("source", ["imagenet", "hub/cifar10", "s3://bucket/data", "other:thing"])
def test_names_that_mean_nothing_here_are_left_to_other_plugins(source: str) -> None:
    assert auditor_load_samples(source, SampleOptions()) is None


def test_files_of_other_types_are_left_to_other_plugins(tmp_path: Path) -> None:
    (tmp_path / "sound.wav").write_bytes(b"RIFF")
    assert auditor_load_samples(str(tmp_path / "sound.wav"), SampleOptions()) is None


@pytest.mark.parametrize("name", ["data.npz", "data.csv", "data.parquet", "images/", "images"])
def test_a_path_to_nothing_is_said_to_be_one(load: Open, tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="no data at"):
        load(f"{tmp_path}/{name}")


@pytest.mark.parametrize("name", ["data.npz", "data.csv", "data.parquet"])
def test_an_empty_file_is_said_to_be_empty(load: Open, tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(DataError, match=f"{name} is empty"):
        load(tmp_path / name)


def test_a_single_image_is_told_where_to_go(load: Open, tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").write_bytes(b"x")
    with pytest.raises(DataError, match="one image without a label"):
        load(tmp_path / "cat.jpg")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (SampleOptions(limit=0), "--samples asks for 0"),
        (SampleOptions(channels=4), "1 or 3 channels, not 4"),
        (SampleOptions(size=(0, 5)), "--input-size"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: SampleOptions, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        auditor_load_samples("data.npz", options)


def test_the_plugin_imports_nothing_heavy() -> None:
    code = "import sys, auditor.samples; print({'torch', 'PIL', 'pyarrow', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_memory_does_not_grow_with_the_data(tmp_path: Path, save: Callable[..., None], dtype: type) -> None:
    path = tmp_path / "data.npz"
    white = 255 if dtype is np.uint8 else 1
    save(path, x=np.full((4_096, 3, 64, 64), white, dtype), y=np.zeros(4_096, np.uint8))
    tracemalloc.start()  # sees what NumPy allocates
    try:
        samples = auditor_load_samples(str(path), SampleOptions())
        assert samples is not None
        for start in range(0, len(samples), 64):
            samples.fetch(range(start, start + 64))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 32 << 20  # the samples are 47 MiB of bytes, or 188 MiB of floats
