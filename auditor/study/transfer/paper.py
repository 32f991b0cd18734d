"""Figures of Szegedy et al., arXiv:1312.6199, on MNIST with 60,000 training samples.

Only figures that could be checked against a second source stand here; the rest of the paper's tables is left out.
"""

from __future__ import annotations

from collections.abc import Mapping

Rates = Mapping[str, Mapping[str, float]]

ERRORS: Mapping[str, tuple[float, float]] = {
    "FC10(1e-4)": (0.067, 0.074),
    "FC10(1e-2)": (0.10, 0.094),
    "FC10(1)": (0.212, 0.20),
    "FC100-100-10": (0.0, 0.0164),
    "FC200-200-10": (0.0, 0.0154),
    "AE400-10": (0.0057, 0.019),
}
"""Table 1: errors on training and test samples."""

DISTORTIONS: Mapping[str, float] = {
    "FC10(1e-4)": 0.062,
    "FC10(1e-2)": 0.1,
    "FC10(1)": 0.14,
    "FC100-100-10": 0.058,
    "FC200-200-10": 0.065,
    "AE400-10": 0.086,
}
"""Table 1: root mean square over pixels of the smallest changes, on the mean over samples."""

ARCHITECTURES: Rates = {
    "FC10(1e-4)": {"FC10(1e-4)": 1.0, "FC100-100-10": 0.02, "AE400-10": 0.027},
    "FC10(1e-2)": {"FC10(1e-4)": 0.871, "FC10(1e-2)": 1.0, "FC100-100-10": 0.359, "AE400-10": 0.098},
    "FC10(1)": {"FC10(1e-4)": 0.719, "FC10(1)": 1.0, "FC100-100-10": 0.481, "AE400-10": 0.344},
    "FC100-100-10": {"FC10(1e-4)": 0.289, "FC100-100-10": 1.0, "AE400-10": 0.02},
    "FC200-200-10": {"FC10(1e-4)": 0.382, "FC100-100-10": 0.203, "FC200-200-10": 1.0, "AE400-10": 0.027},
    "AE400-10": {"AE400-10": 1.0},
}
"""Table 2: rows are what the examples were made on, columns what they were tried on.

Its columns FC10(1e-2), FC10(1) and FC200-200-10 and its row AE400-10 stand in no second source that was found.
"""

NOISE: Mapping[float, Mapping[str, float]] = {
    0.1: {"FC10(1e-4)": 0.05, "FC100-100-10": 0.0, "AE400-10": 0.008},
    0.3: {"FC10(1e-4)": 0.156, "FC100-100-10": 0.05, "AE400-10": 0.031},
}
"""Table 2: what Gaussian noise of these standard deviations fools."""

HALVES: Rates = {"FC100-100-10": {"FC100-100-10": 1.0, "FC123-456-10": 0.262, "FC100-100-10'": 0.059}}
"""Table 4, the smallest changes; its other two rows stand in no second source that was found."""

HALVES_MAGNIFIED: Rates = {"FC100-100-10": {"FC100-100-10": 1.0, "FC123-456-10": 0.98, "FC100-100-10'": 0.43}}
"""Table 4, the same changes magnified to a root mean square of 0.1."""
