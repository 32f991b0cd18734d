"""Real files, made on the fly."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from auditor import SampleOptions, Samples
from auditor.samples import auditor_load_samples

Open = Callable[..., Samples]
Encode = Callable[..., bytes]
MakeFolder = Callable[..., Path]
Save = Callable[..., Path]


@pytest.fixture(scope="session")
def load() -> Open:
    """The samples of a source, through the hook; keywords are options."""

    def call(source: Path | str, **options: Any) -> Samples:
        samples = auditor_load_samples(str(source), SampleOptions(**options))
        assert samples is not None
        return samples

    return call


@pytest.fixture(scope="session")
def encode() -> Encode:
    """A picture as the bytes of an image file, PNG unless said otherwise."""

    def call(pixels: NDArray[Any] | Image.Image, form: str = "PNG", **save: Any) -> bytes:
        file = io.BytesIO()
        (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(file, form, **save)
        return file.getvalue()

    return call


@pytest.fixture(scope="session")
def pictures() -> NDArray[np.uint8]:
    """Twenty random pictures `(20, 6, 7, 3)`."""
    return np.random.default_rng(0).integers(0, 256, (20, 6, 7, 3), dtype=np.uint8)


@pytest.fixture(scope="session")
def as_fetched() -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """What `fetch` must answer for pictures `(N, H, W, 3)`: k/255 in float32, channels first."""

    def call(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        return (pictures.transpose(0, 3, 1, 2).astype(np.float64) / 255).astype(np.float32)

    return call


@pytest.fixture
def make_folder(tmp_path: Path, encode: Encode) -> MakeFolder:
    """A folder of files given as `{"cat/a.png": pixels or bytes}`."""

    def call(files: Mapping[str, NDArray[Any] | bytes], empty: Sequence[str] = (), name: str = "images") -> Path:
        root = tmp_path / name
        for place, content in files.items():
            path = root / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else encode(content))
        for folder in empty:
            (root / folder).mkdir(parents=True)
        return root

    return call


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """An archive of the given arrays."""

    def call(compressed: bool = False, **arrays: Any) -> Path:
        path = tmp_path / "data.npz"
        (np.savez_compressed if compressed else np.savez)(path, **arrays)
        return path

    return call


@pytest.fixture(scope="session")
def y() -> NDArray[np.int64]:
    return np.arange(20) % 3
