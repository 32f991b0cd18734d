"""The model in training, as recipes see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from auditor.harden.common_statistics import CommonStatistics
from auditor.harden.crew import Crew
from auditor.steps import Ball

if TYPE_CHECKING:
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Logits, Threat

Objective: TypeAlias = Callable[[Tensor], Tensor]
"""Logits `(N, K)` to what is to be raised for each sample, `(N,)`."""


class Trainee:
    """A network that maps `(N, …)` samples in `[0, 1]` to logits `(N, K)`, and what is remembered while it is trained.

    Calling it gives logits with their graph, in training mode: batch normalisation takes the statistics of the batch,
    and learns from them. `still` and all that looks for examples leave it in eval mode, which costs less clean accuracy
    at equal robustness (Pang et al., Bag of Tricks for Adversarial Training, arXiv:2010.00467, section 3.3).

    Attributes:
        weights: what is trained, by name.
        num_classes: K.  samples: how many there are to train with.
        indices: `(N,)` which of them are in the batch.  whole: its rows in all processes together.
        crew: the processes that train together; each sees its part of a batch, and gradients are those of the whole.
        epoch, step, steps: which epoch and update this is, from 0, and how many updates there will be.
        lr: the learning rate of this update.
        memory: tensors that a recipe keeps from one update to the next; they are part of every checkpoint.
        members: weights that the recipe decided to keep, oldest first: where there are any, the result is the mean of
            the probabilities that they give.
        generator: random numbers that belong to no sample, seeded anew for every update.
    """

    def __init__(
        self,
        forward: Callable[[Images], Logits],
        module: nn.Module,
        weights: Mapping[str, nn.Parameter],
        *,
        label_smoothing: float = 0.0,
        autocast: torch.dtype | None = None,
    ) -> None:
        """`forward` goes through `module`, in whatever mode that is; `autocast` is what passes may compute in."""
        self.weights = dict(weights)
        self.memory: dict[str, Tensor] = {}
        self.members: list[dict[str, Tensor]] = []
        self.num_classes = self.samples = self.epoch = self.step = self.steps = self.whole = 0
        self.crew = Crew()
        self.lr = 0.0
        self.device = next(iter(weights.values())).device
        self.generator = torch.Generator(self.device)
        self.indices = torch.empty(0, dtype=torch.int64)
        self.module = module
        self._forward = forward
        self._parts = list(module.modules())
        self._ball: Ball | None = None
        self._label_smoothing, self._autocast = label_smoothing, autocast

    def __call__(self, x: Images) -> Logits:
        """Logits `(N, K)` float32 with their graph, in training mode."""
        return self._logits(x, training=True)

    def still(self, x: Images) -> Logits:
        """Logits `(N, K)` float32 with their graph, in eval mode: no statistics are learned, nothing is dropped."""
        return self._logits(x, training=False)

    def gradient(self, x: Images, objective: Objective, *, create_graph: bool = False) -> Tensor:
        """The gradient of each sample's objective with respect to the sample, `(N, …)`, in eval mode."""
        leaf = x.detach().requires_grad_()
        with torch.enable_grad():
            raised = objective(self.still(leaf)).sum()
            (gradient,) = torch.autograd.grad(raised, leaf, create_graph=create_graph)
        return gradient

    def climb(
        self,
        x: Images,
        objective: Objective,
        threat: Threat,
        rng: Rng,
        *,
        steps: int,
        step_size: float,
        start: Images | None = None,
    ) -> Images:
        """Projected gradient ascent within the threat around `x`: the last point, without a graph.

        Args:
            objective: what is raised, of the logits.
            step_size: in units of eps.
            start: where it starts; a point drawn uniformly from the ball unless given.
        """
        ball = self.ball(x, threat)
        point = ball.uniform(rng) if start is None else ball.project(start.clone())
        with self._frozen():
            for _ in range(steps):
                point = ball.climb(point, self.gradient(point, objective), step_size * threat.eps)
        return point

    def ball(self, x: Images, threat: Threat) -> Ball:
        """What the threat allows around `x`; for the same samples made once, however many updates learn from them."""
        known = self._ball
        if known is None or known.x is not x or (known.norm, known.eps) != (threat.norm, threat.eps):
            self._ball = known = Ball(x, threat.norm, threat.eps)
        return known

    def cross_entropy(self, logits: Logits, y: Labels) -> Tensor:
        """Cross-entropy of each sample, `(N,)`, with the label smoothing that was asked for: a loss to descend."""
        return functional.cross_entropy(logits, y, reduction="none", label_smoothing=self._label_smoothing)

    @contextmanager
    def without_statistics(self) -> Iterator[None]:
        """What passes in training mode teach batch normalisation inside of it is forgotten on leaving."""
        known = [(buffer, buffer.clone()) for buffer in self.module.buffers()]
        try:
            yield
        finally:
            for buffer, value in known:
                # Without a new version, which a graph that saw the buffer would object to: gradients need none of it.
                buffer.data.copy_(value)

    def keep(self) -> None:
        """Keep the present weights as a member of the ensemble that training ends with."""
        self.members.append({name: value.detach().clone() for name, value in self.module.state_dict().items()})

    @contextmanager
    def _frozen(self) -> Iterator[None]:
        """Weights need no gradients inside of it, so that passes keep less in memory."""
        try:
            for weight in self.weights.values():
                weight.requires_grad_(False)
            yield
        finally:
            for weight in self.weights.values():
                weight.requires_grad_(True)

    def _logits(self, x: Images, *, training: bool) -> Logits:
        for part in self._parts:
            part.training = training
        with ExitStack() as around:
            if self._autocast is not None:
                around.enter_context(torch.autocast(self.device.type, self._autocast))
            if training and self.crew.world > 1:
                around.enter_context(CommonStatistics(self.crew))
            return self._forward(x).float()
