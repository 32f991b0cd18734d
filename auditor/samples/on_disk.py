"""torchvision's data sets as it left them on disk: `torchvision:MNIST:FOLDER`. Nothing is downloaded or unpickled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from auditor.errors import DataError
from auditor.samples.arrays import ArraySamples
from auditor.samples.labels import from_numbers
from auditor.samples.listing import Listing
from auditor.samples.python_batch import read_batch
from auditor.samples.storage import RowFile, spooled

if TYPE_CHECKING:
    from auditor.samples.base import SampleOptions, Samples

_FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
_UBYTE = 8


def open_on_disk(source: str, options: SampleOptions) -> Samples:
    """MNIST, FashionMNIST, KMNIST, CIFAR10 or CIFAR100 below a folder, the part `options.split`.

    Raises DataError where the data set is not there, is incomplete, or is another one.
    """
    name, _, root = source.removeprefix("torchvision:").partition(":")
    known = {known.lower(): known for known in _READERS}.get(name.lower())
    if known is None:
        raise DataError(f"torchvision:{name} is not read here; known are {', '.join(_READERS)}, or give its images.")
    if not root:
        raise DataError(f"{source} names no folder; write torchvision:{known}:FOLDER with the folder it was saved to.")
    if options.split not in ("train", "test"):
        raise DataError(f"{known} has the parts train and test, but not {options.split!r}.")
    folder = Path(root).expanduser()
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}, so {known} is not there; download it with torchvision first.")
    return _READERS[known](source, known, folder, options)


def _find(folder: Path, homes: tuple[str, ...], files: list[str], name: str) -> list[Path]:
    """The files in the first of these folders below `folder` that has them all."""
    for home in homes:
        paths = [folder / home / file for file in files]
        if all(path.is_file() for path in paths):
            return paths
    raise DataError(
        f"{name} is not at {folder}: {files[0]} was sought in {', '.join(str(folder / home) for home in homes)}. "
        "Download it with torchvision first; auditor never downloads."
    )


def _open_mnist(source: str, name: str, folder: Path, options: SampleOptions) -> Samples:
    part = "t10k" if options.split == "test" else "train"
    files = [f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"]
    images, labels = _find(folder, (f"{name}/raw", "raw", "."), files, name)
    x, y = _open_idx(images, 3), _open_idx(labels, 1)
    if len(x) != len(y):
        raise DataError(f"{images} holds {len(x)} images and {labels} {len(y)} labels; download {name} again.")
    known = _FASHION if name == "FashionMNIST" else None
    numbers, classes = from_numbers(y.read(np.arange(len(y))), known, options.classes, source)
    return ArraySamples(Listing(source, numbers, classes=classes), x, options)


def _open_idx(path: Path, dimensions: int) -> RowFile:
    """An array of bytes in the IDX format of MNIST (http://yann.lecun.com/exdb/mnist), read in place."""
    file = path.open("rb")
    header = file.read(4 * (1 + dimensions))
    shape = tuple(np.frombuffer(header[4:], dtype=">u4").tolist()) if len(header) == 4 * (1 + dimensions) else ()
    expected = len(header) + int(np.prod(shape, dtype=object))
    if not shape or header[:4] != bytes([0, 0, _UBYTE, dimensions]) or path.stat().st_size != expected:
        file.close()
        raise DataError(f"{path} is no complete IDX file of {dimensions}-dimensional bytes; download it again.")
    return RowFile(file, str(path), len(header), np.dtype(np.uint8), shape)


def _open_cifar10(source: str, name: str, folder: Path, options: SampleOptions) -> Samples:
    files = ["test_batch"] if options.split == "test" else [f"data_batch_{number}" for number in range(1, 6)]
    return _open_cifar(source, folder, options, "cifar-10-batches-py", files, ("labels", "batches.meta", "label_names"))


def _open_cifar100(source: str, name: str, folder: Path, options: SampleOptions) -> Samples:
    return _open_cifar(
        source, folder, options, "cifar-100-python", [options.split], ("fine_labels", "meta", "fine_label_names")
    )


def _open_cifar(
    source: str, folder: Path, options: SampleOptions, home: str, files: list[str], keys: tuple[str, str, str]
) -> Samples:
    label_key, meta_file, names_key = keys
    paths = _find(folder, (home, "."), [*files, meta_file], source.split(":")[1])
    labels: list[int] = []

    def blocks() -> Iterator[np.ndarray[tuple[int, int], np.dtype[np.uint8]]]:
        for path in paths[:-1]:
            batch = read_batch(path)
            values, pixels = batch.get(label_key), batch.get("data")
            if not isinstance(pixels, np.ndarray) or not isinstance(values, list) or len(values) != len(pixels):
                raise DataError(f"{path} holds no {label_key} and data of one length; download it again.")
            if pixels.shape[1:] != (3 * 32 * 32,) or not all(type(value) is int for value in values):
                raise DataError(f"{path} does not hold CIFAR's rows of 3072 bytes and their labels; download it again.")
            labels.extend(values)
            yield pixels

    spool = spooled(source, blocks())
    names = read_batch(paths[-1]).get(names_key)
    known = tuple(map(str, names)) if isinstance(names, list) and names else None
    numbers, classes = from_numbers(np.array(labels, dtype=np.int64), known, options.classes, source)
    rows = spool.rows(np.dtype(np.uint8), (len(labels), 3, 32, 32))
    return ArraySamples(Listing(source, numbers, classes=classes), rows, options)


_READERS: dict[str, Callable[[str, str, Path, SampleOptions], Samples]] = {
    "MNIST": _open_mnist,
    "FashionMNIST": _open_mnist,
    "KMNIST": _open_mnist,
    "CIFAR10": _open_cifar10,
    "CIFAR100": _open_cifar100,
}
