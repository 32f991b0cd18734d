"""Models from files: ONNX through ONNX Runtime, and PyTorch. Nothing heavy is imported before a model is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.hookspecs import hookimpl

if TYPE_CHECKING:
    import torch

    from auditor.target.base import ModelOptions, Target


@hookimpl
def auditor_load_model(path: str, options: ModelOptions, device: torch.device) -> Target | None:
    """ONNX files, then everything that PyTorch reads; None for what is neither."""
    from auditor.loaders import onnx, torch_models

    return onnx.load(path, options, device) or torch_models.load(path, options, device)
