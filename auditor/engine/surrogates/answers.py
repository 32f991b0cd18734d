"""The target as an extraction sees it: so many questions, counted, and no more."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from auditor.engine.view import OutOfTime
from auditor.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from auditor.target.base import Target
    from auditor.types import Images


@dataclass
class Answers:
    """As `auditor.Oracle` says. `soft`: with scores, not labels alone."""

    target: Target
    queries: int
    soft: bool
    batch_size: int
    deadline: float
    progress: Callable[[int], None] = lambda asked: None
    asked: int = 0

    @property
    def num_classes(self) -> int:
        return self.target.num_classes

    @property
    def left(self) -> int:
        return self.queries - self.asked

    def check_time(self) -> None:
        if time.monotonic() > self.deadline:
            raise OutOfTime

    def ask(self, x: Images) -> Tensor:
        if len(x) > self.left:
            raise PluginError(f"it asked {len(x)} questions, and {self.left} are left")
        answers = [self._answered(part) for part in torch.split(x, self.batch_size)]
        return torch.cat(answers) if answers else x.new_zeros(0, self.num_classes)

    def _answered(self, x: Images) -> Tensor:
        self.check_time()
        logits = self.target.answer(x)
        self.asked += len(x)
        self.progress(self.asked)
        return logits.softmax(1) if self.soft else functional.one_hot(logits.argmax(1), self.num_classes).float()
