"""`torch.export` archives (`.pt2`), loaded without running anything that their author put into them.

`torch.export.load` unpickles, evaluates and compiles what it finds. Here an archive is read once, everything in it is
compared with what a harmless one holds, and PyTorch is given a new archive made of nothing but that, so that no
difference between two zip or JSON readers, and no change of the file in between, can let anything else through.
"""

from __future__ import annotations

import io
import json
import logging
import math
import pickle
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from auditor.errors import ModelError
from auditor.loaders import archive, torch_program

if TYPE_CHECKING:
    from torch.export import ExportedProgram

_PROGRAM = "models/model.json"
_INPUTS = "data/sample_inputs/model.pt"
_PAYLOADS = ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json")
_TENSOR_FILE = re.compile(r"(weight|tensor)_\d+", re.ASCII)
_KNOWN = re.compile(
    rf"{re.escape(_PROGRAM)}|{re.escape(_INPUTS)}|{'|'.join(map(re.escape, _PAYLOADS))}"
    r"|data/(weights|constants)/(weight|tensor)_\d+|archive_format|archive_version|byteorder|version"
    r"|\.data/(version|serialization_id)|\.format_version|extra/.*"
)


def is_pt2(members: tuple[str, ...]) -> bool:
    """Whether an archive with these members is `torch.export`'s, of today's layout or of the one before PyTorch 2.8."""
    return "archive_format" in members or "serialized_exported_program.json" in members


def load(path: Path, device: torch.device, *, trust: bool) -> ExportedProgram:
    """The exported program in `path`; its tensors on `device` unless it is loaded as it stands, with `trust`.

    Raises:
        ModelError: the archive is damaged, or could run code and `trust` was not given.
    """
    source: Any = str(path)
    if not trust:
        source = io.BytesIO(_rebuilt(path, device))
    with _quiet():
        try:
            return torch.export.load(source)
        except Exception as error:
            raise ModelError(
                f"{path} cannot be read by PyTorch {torch.__version__}: {type(error).__name__}: {_last_line(error)}. "
                "Export the model again with this version of PyTorch."
            ) from error


def input_of(program: ExportedProgram, path: Path) -> torch.Tensor:
    """Shape and type of its one input as it was exported, without values; sizes that may vary are symbols.

    Raises:
        ModelError: it has several inputs, or one that is no tensor with a batch.
    """
    inputs = [node.meta["val"] for node in program.graph.nodes if node.name in program.graph_signature.user_inputs]
    if len(inputs) != 1 or not isinstance(inputs[0], torch.Tensor) or not inputs[0].dim():
        kinds = ", ".join(type(value).__name__ for value in inputs) or "none"
        raise ModelError(f"{path} takes {len(inputs)} inputs ({kinds}); auditor audits networks of one tensor.")
    return inputs[0]


def _rebuilt(path: Path, device: torch.device) -> bytes:
    members = archive.read(path)
    if "archive_format" not in members:
        raise ModelError(
            f"{path} has the layout of torch.export before PyTorch 2.8, which is unpickled when it is loaded. Export "
            "the model again with a newer PyTorch; or pass --trust if you trust its author with your machine."
        )
    try:
        program = torch_program.harmless(json.loads(members[_PROGRAM]))
        payloads = {name: json.loads(members[name]) for name in _PAYLOADS}
        found = [*_complaints(members, payloads), *torch_program.complaints(program)]
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(
            f"{path} is not as torch.export.save writes archives ({type(error).__name__}: {error}). "
            "Export the model again."
        ) from error
    if found:
        raise ModelError(_refusal(path, found))
    _refuse_missing_content(path, members, payloads)
    documents = {_PROGRAM: program, **payloads}
    texts = {name: json.dumps(_placed(document, device)).encode() for name, document in documents.items()}
    tensors = {name: members[name] for name in _tensor_files(payloads)}
    return _written({**texts, **tensors, _INPUTS: b""})


def _complaints(members: dict[str, bytes], payloads: dict[str, Any]) -> Iterator[str]:
    for name in members:
        if not _KNOWN.fullmatch(name):
            kind = "compiled machine code" if name.startswith("data/aotinductor/") else "a member of unknown use"
            yield f"{kind} ({name[:80]})"
    if _INPUTS in members and members[_INPUTS] and not _is_plain_data(members[_INPUTS]):
        yield f"a pickle that makes more than tensors ({_INPUTS})"
    for config, payload in payloads.items():
        for name, meta in payload["config"].items():
            if meta["use_pickle"] is not False:
                yield f"a pickled tensor ({name[:80]} in {config})"
            elif not _TENSOR_FILE.fullmatch(meta["path_name"]):
                yield f"a pickled or custom object ({meta['path_name'][:80]} in {config})"
        yield from torch_program.complaints(payload)


def _is_plain_data(content: bytes) -> bool:
    try:
        torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return True


def _refusal(path: Path, found: list[str]) -> str:
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return (
        f"{path} could run code of its author's when it is loaded or called: it holds {', '.join(found[:3])}{more}. "
        "Pass --trust if you trust its author with your machine; or ask for the model as ONNX, or as a state dict."
    )


def _refuse_missing_content(path: Path, members: dict[str, bytes], payloads: dict[str, Any]) -> None:
    """PyTorch reads a tensor whose file is empty as zeros: a model without weights, whose numbers would be wrong."""
    for config, payload in payloads.items():
        for name, meta in payload["config"].items():
            content = members.get(f"{config.rpartition('/')[0]}/{meta['path_name']}")
            if content is None or (not content and math.prod(size["as_int"] for size in meta["tensor_meta"]["sizes"])):
                raise ModelError(f"{path} holds no values for the tensor {name!r}; export the model again.")


def _tensor_files(payloads: dict[str, Any]) -> set[str]:
    return {
        f"{config.rpartition('/')[0]}/{meta['path_name']}"
        for config, payload in payloads.items()
        for meta in payload["config"].values()
    }


def _placed(document: Any, device: torch.device) -> Any:
    """The document with every device in it replaced, so that an archive from a GPU loads anywhere."""
    if isinstance(document, dict):
        if document.keys() == {"type", "index"}:
            return {"type": device.type, "index": device.index}
        return {key: _placed(value, device) for key, value in document.items()}
    return [_placed(item, device) for item in document] if isinstance(document, list) else document


def _written(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    writer = torch._C.PyTorchFileWriter(buffer)
    for name, content in {**members, "archive_format": b"pt2", "archive_version": b"0"}.items():
        writer.write_record(name, content, len(content))
    writer.write_end_of_file()
    return buffer.getvalue()


def _last_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1][:300] if lines else "no further message"


@contextmanager
def _quiet() -> Iterator[None]:
    """PyTorch logs the traceback of what it then raises or works around; the user gets a sentence instead."""
    loggers = [logging.getLogger(name) for name in ("torch.export", "torch._export")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
