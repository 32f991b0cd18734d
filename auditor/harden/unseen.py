"""Threats that a recipe never trained for, as large as the one that it did."""

from __future__ import annotations

import math

from auditor.settings import ThreatSetting
from auditor.types import Norm

_L2, _L1 = 4.0, 24.0
"""Of the largest l2 and l1 distance within a linf ball a quarter and a twenty-fourth: for 28 x 28 pixels and 0.3 this
gives 2.1 and 9.8, for 3 x 32 x 32 and 8/255 0.43 and 4.0, near the budgets that the literature uses beside these."""


def unseen(trained: ThreatSetting, shape: tuple[int, ...]) -> tuple[ThreatSetting, ...]:
    """The threats of the other norms, for samples of this shape."""
    dimensions = math.prod(shape)
    root, eps = math.sqrt(dimensions), trained.eps
    linf = {Norm.LINF: eps, Norm.L2: _L2 * eps / root, Norm.L1: _L1 * eps / dimensions}[trained.norm]
    sizes = {Norm.LINF: linf, Norm.L2: linf * root / _L2, Norm.L1: linf * dimensions / _L1}
    return tuple(
        ThreatSetting(norm=norm, eps=min(0.5, size) if norm is Norm.LINF else _rounded(size))
        for norm, size in sizes.items()
        if norm is not trained.norm
    )


def _rounded(size: float) -> float:
    """To two digits, as a person would choose it."""
    return float(f"{size:.2g}")
