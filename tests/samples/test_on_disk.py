"""torchvision's data sets as it leaves them on disk, written here by hand."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from auditor import DataError, Samples
from auditor.samples.python_batch import read_batch

Open = Callable[..., Samples]
NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def _idx(array: NDArray[np.uint8]) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture(scope="session")
def digits() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (12, 28, 28), dtype=np.uint8)


@pytest.fixture
def mnist(tmp_path: Path, digits: NDArray[np.uint8]) -> Path:
    for name in ("MNIST", "FashionMNIST"):
        raw = tmp_path / name / "raw"
        raw.mkdir(parents=True)
        for part, n in (("t10k", 10), ("train", 12)):
            (raw / f"{part}-images-idx3-ubyte").write_bytes(_idx(digits[:n]))
            (raw / f"{part}-labels-idx1-ubyte").write_bytes(_idx(np.arange(n, dtype=np.uint8) % 10))
    return tmp_path


@pytest.mark.parametrize("place", [".", "MNIST", "MNIST/raw"])
def test_mnist_is_read_from_wherever_its_folder_is_given(
    load: Open, mnist: Path, digits: NDArray[np.uint8], place: str
) -> None:
    samples = load(f"torchvision:MNIST:{mnist / place}")
    assert (len(samples), samples.shape, samples.eight_bit) == (10, (1, 28, 28), True)
    assert samples.labels.tolist() == list(range(10))
    np.testing.assert_array_equal(samples.fetch([7]).numpy()[0, 0], (digits[7] / 255).astype(np.float32))


def test_the_split_is_chosen(load: Open, mnist: Path) -> None:
    assert len(load(f"torchvision:mnist:{mnist}", split="train")) == 12
    with pytest.raises(DataError, match="parts train and test"):
        load(f"torchvision:MNIST:{mnist}", split="validation")


def test_fashion_mnist_has_class_names_that_map_to_the_models_order(load: Open, mnist: Path) -> None:
    names = load(f"torchvision:FashionMNIST:{mnist}").classes
    assert names is not None
    assert names[9] == "Ankle boot"
    assert load(f"torchvision:FashionMNIST:{mnist}", classes=names[::-1]).labels.tolist() == list(range(9, -1, -1))


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b + b"x", lambda b: b[:9], lambda b: b"\0\0\x0d" + b[3:]]
)
def test_a_damaged_idx_file_is_refused(load: Open, mnist: Path, damage: Callable[[bytes], bytes]) -> None:
    file = mnist / "MNIST/raw/t10k-images-idx3-ubyte"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(DataError, match="no complete IDX file"):
        load(f"torchvision:MNIST:{mnist}")


def test_labels_and_images_must_be_of_one_number(load: Open, mnist: Path) -> None:
    (mnist / "MNIST/raw/t10k-labels-idx1-ubyte").write_bytes(_idx(np.zeros(3, np.uint8)))
    with pytest.raises(DataError, match=r"10 images and .* 3 labels"):
        load(f"torchvision:MNIST:{mnist}")


@pytest.fixture(scope="session")
def tiles() -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (10, 3072), dtype=np.uint8)


@pytest.fixture(params=[0, 2, 4])
def cifar(tmp_path: Path, tiles: NDArray[np.uint8], request: pytest.FixtureRequest) -> Path:
    """CIFAR-10 and CIFAR-100 as pickles; the originals are of protocol 2."""
    protocol = request.param

    def dump(path: Path, content: dict[bytes, Any]) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(pickle.dumps(content, protocol))

    ten, hundred = tmp_path / "cifar-10-batches-py", tmp_path / "cifar-100-python"
    for name in ("test_batch", *(f"data_batch_{i}" for i in range(1, 6))):
        dump(ten / name, {b"batch_label": b"x", b"labels": list(range(10)), b"data": tiles, b"filenames": [b"a.png"]})
    dump(ten / "batches.meta", {b"label_names": [name.encode() for name in NAMES], b"num_vis": 3072})
    dump(hundred / "test", {b"fine_labels": [99] * 10, b"coarse_labels": [1] * 10, b"data": tiles})
    dump(hundred / "meta", {b"fine_label_names": [f"class {i}".encode() for i in range(100)]})
    return tmp_path


def test_cifar_is_read_without_unpickling_objects(load: Open, cifar: Path, tiles: NDArray[np.uint8]) -> None:
    samples = load(f"torchvision:CIFAR10:{cifar}")
    assert (len(samples), samples.shape, samples.classes) == (10, (3, 32, 32), tuple(NAMES))
    expected = (tiles.reshape(-1, 3, 32, 32) / 255).astype(np.float32)
    np.testing.assert_array_equal(samples.fetch([9, 2]).numpy(), expected[[9, 2]])
    train = load(f"torchvision:CIFAR10:{cifar}", split="train")
    assert train.labels.tolist() == list(range(10)) * 5
    np.testing.assert_array_equal(train.fetch([49]).numpy(), expected[[9]])
    hundred = load(f"torchvision:CIFAR100:{cifar / 'cifar-100-python'}")
    assert hundred.labels.tolist() == [99] * 10


def test_a_pickle_that_calls_something_is_refused_and_nothing_runs(load: Open, cifar: Path, tmp_path: Path) -> None:
    class Planted:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    content = {b"labels": [0], b"data": Planted()}
    (cifar / "cifar-10-batches-py/test_batch").write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match=r"asks for .*, which is not allowed"):
        load(f"torchvision:CIFAR10:{cifar}")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "content",
    [
        [],
        {b"labels": [0], b"data": np.zeros((1, 3072), np.float32)},
        {b"labels": [0], b"data": np.zeros((1, 3071), np.uint8)},
        {b"labels": [0, 1], b"data": np.zeros((1, 3072), np.uint8)},
        {b"labels": ["0"], b"data": np.zeros((1, 3072), np.uint8)},
        {b"data": np.zeros((1, 3072), np.uint8)},
    ],
)
def test_a_batch_of_something_else_is_refused(load: Open, cifar: Path, content: Any) -> None:
    (cifar / "cifar-10-batches-py/test_batch").write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match="download it again"):
        load(f"torchvision:CIFAR10:{cifar}")


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_damaged_batch_is_read_or_refused_and_nothing_else(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    damaged = bytearray(pickle.dumps({b"labels": [1, 2], b"data": np.zeros((2, 4), np.uint8)}, 2))
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "batch"
    path.write_bytes(damaged)
    try:
        batch = read_batch(path)
    except DataError:
        return
    assert isinstance(batch, dict)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("torchvision:SVHN:.", "SVHN is not read here; known are MNIST"),
        ("torchvision:MNIST", "names no folder; write torchvision:MNIST:FOLDER"),
        ("torchvision:MNIST:nowhere", "no folder nowhere"),
        ("torchvision:MNIST:{}", "MNIST is not at .* never downloads"),
        ("torchvision:CIFAR10:{}", "CIFAR10 is not at .* never downloads"),
    ],
)
def test_what_is_not_there_is_said_and_never_downloaded(load: Open, tmp_path: Path, source: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        load(source.format(tmp_path))
