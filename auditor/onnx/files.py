"""Reading an ONNX file without trusting it."""

from __future__ import annotations

from pathlib import Path

import onnx

from auditor.errors import ModelError


def read_model(source: Path | str | onnx.ModelProto, *, weights: bool = True) -> onnx.ModelProto:
    """The model of a file (or the one given), with its external data unless `weights` is False.

    External data must lie inside the model's own folder: onnx refuses absolute paths, `..` and links,
    and we pass that on as a sentence. Raises ModelError for whatever cannot be read.
    """
    if isinstance(source, onnx.ModelProto):
        return _checked(source, "the given model")
    path = Path(source)
    if not path.is_file():
        raise ModelError(f"There is no model file at {path}.")
    if path.stat().st_size == 0:
        raise ModelError(f"The model file {path} is empty; write or download it again.")
    try:
        model = onnx.load(path, format="protobuf", load_external_data=False)
    except Exception as error:  # protobuf's DecodeError has no stable home
        raise ModelError(
            f"{path} is not a complete ONNX file ({error}); it may be cut short or of another format."
        ) from error
    model = _checked(model, str(path))
    if weights:
        try:
            onnx.load_external_data_for_model(model, str(path.parent))
        except Exception as error:  # missing, cut short, or pointing out of the folder
            raise ModelError(
                f"The external data of {path} cannot be used: {str(error).rstrip('.')}. "
                "Keep the data files themselves, no links, beside the model in the same folder."
            ) from error
    return model


def _checked(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    if not model.graph.node and not model.graph.output:
        raise ModelError(f"{name} holds no graph; it is not an ONNX model.")
    if not model.graph.output:
        raise ModelError(f"The graph of {name} has no output, so there is nothing to audit.")
    return model
