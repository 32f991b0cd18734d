"""What attacks that look for the smallest change keep: for each sample the smallest example that they have seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from auditor.engine.ledger import margins
from auditor.norms import per_sample

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.types import Images, Labels, Logits, Threat


class Smallest:
    """The smallest adversarial examples seen of samples `x`, `(N, …)`, in the norm of a threat.

    Attributes:
        point: `(N, …)` those examples; the samples themselves where none was seen.
        size: `(N,)` their sizes; infinite where none was seen.
    """

    def __init__(self, x: Images, y: Labels, threat: Threat) -> None:
        self._x, self._y, self._threat = x, y, threat
        self.point = x.clone()
        self.size = torch.full((len(x),), torch.inf, dtype=torch.float64, device=x.device)

    @property
    def found(self) -> Tensor:
        """Of which samples an example was seen, `(N,)` bool."""
        return self.size.isfinite()

    def see(self, point: Images, logits: Logits, rows: Tensor | None = None) -> Tensor:
        """Take note of what the model answered at points, of all samples or of some `rows`; which are adversarial."""
        everyone = rows is None
        x, y, known, size = (
            values if everyone else values[rows] for values in (self._x, self._y, self.point, self.size)
        )
        fools, now = margins(logits, y) > 0.0, self._threat.distance(point, x)
        better = fools & (now < size)
        known, size = torch.where(per_sample(better, point), point, known), torch.where(better, now, size)
        if everyone:
            self.point, self.size = known, size
        else:
            self.point[rows], self.size[rows] = known, size
        return fools

    def inside(self) -> Images:
        """The examples, brought into the threat."""
        return self._threat.project(self.point, self._x)


class Bisection:
    """The least weight of the attacker's term that yields examples, found for every sample by itself.

    It moves tenfold until it has both failed and succeeded; then the interval in between is halved on the scale of
    its logarithm.
    """

    def __init__(self, x: Images, first: float) -> None:
        self.value = x.new_full((len(x),), first)
        self._low, self._high = self.value, self.value
        self._failed = self._worked = torch.zeros_like(self.value, dtype=torch.bool)

    def learn(self, fooled: Tensor) -> None:
        """Which samples the present value yielded an example of, `(N,)` bool; sets the next value."""
        self._worked, self._failed = self._worked | fooled, self._failed | ~fooled
        self._high = torch.where(fooled, self.value, self._high)
        self._low = torch.where(fooled, self._low, self.value)
        step = torch.where(fooled, self.value / 10.0, self.value * 10.0)
        self.value = torch.where(self._worked & self._failed, (self._low * self._high).sqrt(), step)
