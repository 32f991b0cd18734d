"""The package imagecorruptions 1.1.2 (Michaelis et al., arXiv:1907.07484), brought to run with today's libraries.

    pip install --no-deps imagecorruptions
    pip install opencv-python-headless scikit-image

It was written for NumPy 1 and for scikit-image before 0.19: here it finds the names that it looks for. What it
computes is its own.
"""

from __future__ import annotations

import sys
import types
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.attacks.common import Absent, module


@cache
def imagecorruptions() -> types.ModuleType:
    """The package. Raises Absent where it, OpenCV or scikit-image is not installed."""
    filters = module("skimage.filters")
    module("cv2").setNumThreads(1)
    modern, had = filters.gaussian, "pkg_resources" in sys.modules
    np.float_ = np.float64  # type: ignore[attr-defined]
    filters.gaussian = lambda image, sigma=1, multichannel=False, **more: modern(
        image, sigma, channel_axis=-1 if multichannel else None, **more
    )
    resources: Any = types.ModuleType("pkg_resources")
    resources.resource_filename = lambda name, path: str(Path(sys.modules[name].__file__ or "").parent / path)
    if not had:
        sys.modules["pkg_resources"] = resources
    try:
        return module("imagecorruptions")
    finally:
        filters.gaussian = modern
        if not had:
            del sys.modules["pkg_resources"]


def corrupted(images: np.ndarray[Any, Any], name: str, severity: int) -> np.ndarray[Any, Any]:
    """uint8 images `(N, H, W, 3)`, one after the other, as the package takes them."""
    package = imagecorruptions()
    return np.stack([package.corrupt(image, severity=severity, corruption_name=name) for image in images])


__all__ = ["Absent", "corrupted", "imagecorruptions"]
