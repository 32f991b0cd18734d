"""What the numbers were made with: versions, device, threads."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import TYPE_CHECKING

from auditor._version import __version__

if TYPE_CHECKING:
    import torch

_PACKAGES = ("torch", "torchvision", "onnx", "onnxruntime-gpu", "onnxruntime", "numpy")


def versions() -> dict[str, str]:
    """Versions of what decides numbers; packages that are not installed are left out."""
    found = {"auditor": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def environment(device: torch.device) -> dict[str, str]:
    """For the record of a run: versions, platform, device, threads."""
    import torch

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        **versions(),
        "platform": platform.platform(),
        "device": str(device),
        "device_name": name,
        "threads": str(torch.get_num_threads()),
    }


def choose_device(wanted: str) -> torch.device:
    """`auto`, `cpu`, `cuda` or `cuda:1` as a device that is there.

    Raises:
        UsageError: the device does not exist here.
    """
    import torch

    from auditor.errors import UsageError

    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise UsageError(f"--device {wanted!r} is no device; say auto, cpu, cuda or cuda:1.") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"--device {wanted}: this machine shows {torch.cuda.device_count()} CUDA devices.")
    return device
