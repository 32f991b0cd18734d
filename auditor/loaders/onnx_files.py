"""The files of an ONNX model: the file itself and the data files that it names, which must lie beside it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import onnx

from auditor.errors import ModelError
from auditor.onnx.graph import all_nodes, all_tensors


def model_files(path: Path, model: onnx.ModelProto) -> list[Path]:
    """`path`, then the files of its external data in the order of their names.

    Args:
        path: the model file.
        model: what it holds, read without its external data.

    Raises:
        ModelError: a data file is missing, too short, a symbolic link, or lies outside the model's folder.
    """
    folder = path.parent.resolve()
    needed: dict[Path, int] = {}
    for tensor in all_tensors(model):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        file = Path(os.path.normpath(folder / location))
        # Neither `..` nor a link may name a file that the user did not hand over.
        if not location or not file.is_relative_to(folder):
            raise ModelError(
                f"{path} keeps the weights {tensor.name!r} in {location!r}, outside its own folder; it is not loaded."
            )
        if file.resolve() != file:
            raise ModelError(
                f"{path} keeps the weights {tensor.name!r} in {location!r}, which is a symbolic link; "
                "put the file itself in the model's folder."
            )
        needed[file] = max(needed.get(file, 0), _end(entries, path))
    for file, end in needed.items():
        if not file.is_file():
            raise ModelError(f"{path} keeps its weights in {file.name}, which is not beside it; copy it there.")
        if file.stat().st_size < end:
            raise ModelError(f"{file}, which holds the weights of {path.name}, is cut short; copy it again.")
    return [path, *sorted(needed)]


def digest(files: list[Path]) -> str:
    """SHA-256 of the files' bytes, one after the other; of a single file it is what `sha256sum` prints."""
    sha256 = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                sha256.update(block)
    return sha256.hexdigest()


def may_not_end(model: onnx.ModelProto) -> bool:
    """Whether a Loop is in the graph, in its branches or in its functions."""
    # A function holds its nodes as a graph does.
    return any(node.op_type == "Loop" for owner in (model.graph, *model.functions) for node in all_nodes(owner))


def _end(entries: dict[str, str], path: Path) -> int:
    try:
        return int(entries.get("offset", "0")) + int(entries.get("length", "0"))
    except ValueError as error:
        raise ModelError(f"{path} names a data file without a sensible place in it; export it again.") from error
