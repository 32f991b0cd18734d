"""Making examples that are meant for another model: every step on every sample, and the last point counts.

The engine usually lets go of a sample when it falls. Here the model that the examples are made on is a stand-in: that
it is fooled says little about the others, and the steps that follow carry a point further across their borders too.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from auditor.engine.attempt import guarded
from auditor.engine.ledger import Ledger
from auditor.engine.view import Gradient, View
from auditor.isolation.attacks import IsolatedLanes
from auditor.lanes import LaneAttack, Lanes
from auditor.norms import per_sample, tolerance
from auditor.rng import Rng
from auditor.types import Access
from auditor.universal import UniversalAttack

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.attack import Attack
    from auditor.engine.aims import Aims
    from auditor.engine.attempt import Ring, Status
    from auditor.types import Images, Logits, Threat


@dataclass(frozen=True)
class Crafted:
    """One example per sample, whether it fools the model that it was made on or not. All tensors are on the CPU.

    Attributes:
        points: `(N, …)` of the threat's space.  images: `(N, …)` that they make, in `[0, 1]`.
        sound: `(N,)` bool, which of them keep to the threat; the others must not be tried.
        forwards, backwards: single samples through the model.
    """

    points: Tensor
    images: Images
    sound: Tensor
    status: Status
    reason: str
    forwards: int
    backwards: int
    seconds: float

    def joined(self, other: Crafted) -> Crafted:
        """These examples and others, of the samples that follow."""
        worse = self if self.status != "ran" else other
        return Crafted(
            points=torch.cat([self.points, other.points]),
            images=torch.cat([self.images, other.images]),
            sound=torch.cat([self.sound, other.sound]),
            status=worse.status,
            reason=worse.reason,
            forwards=self.forwards + other.forwards,
            backwards=self.backwards + other.backwards,
            seconds=self.seconds + other.seconds,
        )


class _Tireless(Ledger):
    """A ledger in which nobody falls, so that every sample is searched to the end."""

    def record(self, rows: Tensor, candidates: Images, logits: Logits) -> None:
        self.note(rows, logits)


def unfit(attack: Attack) -> str:
    """Why the last point of this attack is no example to try on another model; empty where it is."""
    if attack.minimal:
        return "looks for the smallest change, which ends at one model's border"
    return "learns one change for all samples" if isinstance(attack, UniversalAttack) else ""


def craft(ring: Ring, attack: Attack, x: Images, aims: Aims, indices: Tensor) -> Crafted:
    """Examples made on `ring.target`, by an attack that fits it, within `ring.threat`.

    Args:
        x: `(N, …)` samples on the target's device.  aims: what counts as success.
        indices: `(N,)` their positions in the data, which decide what is random.
    """
    started, threat = time.perf_counter(), ring.threat
    ledger = _Tireless.open(x, aims.y, threat, ring.target.num_classes, 0.0, ring.deadline, aims.wanted)
    ledger.on_call, ledger.draws = ring.on_call, ring.draws
    view, rng = View(ring.target, ledger, attack.access), Rng.keyed(ring.seed, attack.label, indices.to(x.device))
    last = [ledger.origin]

    def search() -> str:
        if isinstance(attack, LaneAttack) and attack.in_lanes(threat):
            point: object = last_points(attack, view, threat, rng)
        elif isinstance(attack, IsolatedLanes):
            point = attack.last_points(view, threat, rng)
        else:
            # Copies: what an attack does to its arguments moves neither the originals nor the labels.
            point = attack.perturb(view, ledger.origin.clone(), ledger.y.clone(), threat, rng)
        if not isinstance(point, torch.Tensor) or point.shape != x.shape:
            return f"returned {tuple(getattr(point, 'shape', ()))} for samples of shape {tuple(x.shape)}"
        last[0] = threat.project(point.detach().to(x.dtype), ledger.origin)
        return ""

    status, reason = guarded(search)
    images = threat.render(last[0], x)
    return Crafted(
        points=last[0].cpu(),
        images=images.cpu(),
        sound=keeps(threat, last[0], images, ledger.origin).cpu(),
        status=status,
        reason=reason,
        forwards=ledger.forwards,
        backwards=ledger.backwards,
        seconds=time.perf_counter() - started,
    )


def keeps(threat: Threat, points: Tensor, images: Images, origin: Tensor) -> Tensor:
    """Which points lie within the threat and make finite images in `[0, 1]`, `(N,)` bool."""
    boxed = ((images >= 0.0) & (images <= 1.0)).flatten(1).all(1) & points.isfinite().flatten(1).all(1)
    return boxed & (threat.distance(points, origin) <= threat.eps + tolerance(threat.norm, threat.eps))


def last_points(attack: LaneAttack, view: View, threat: Threat, rng: Rng) -> Tensor:
    """Where the lanes of an attack end; of several restarts, and of all points that a search without gradients asks
    about, the one with the largest margin."""
    goals, asks = attack.asks(view.num_classes)
    best, lowest, lanes = view.x, torch.full((len(view.y),), -torch.inf, device=view.device), None
    margin, zero = lowest, torch.zeros_like(view.y)

    def keep(margins: Tensor, points: Tensor) -> None:
        nonlocal best, margin
        better = margins > margin
        best, margin = torch.where(per_sample(better, best), points, best), torch.where(better, margins, margin)

    for goal in range(goals):
        x = view.x
        begun = Lanes(
            x=x, y=view.y, goal=zero + goal, step=zero.clone(), rng=rng, point=x.clone(), closest=x, margin=lowest
        )
        lanes = attack.begin(view, begun, threat, lanes)
        for _ in range(asks):
            answer = _answer(attack, view, lanes)
            if attack.access is not Access.GRADIENTS:  # What it asks about is a guess, often worse than the one before.
                keep(answer.margin, lanes.point)
            attack.advance(lanes, answer, threat)
            lanes.step += 1
        view.logits(lanes.point)
        keep(view.last_margin, lanes.point)
    return best


def _answer(attack: LaneAttack, view: View, lanes: Lanes) -> Gradient:
    if attack.access is Access.GRADIENTS:
        return view.gradient(lanes.point, lanes.y, attack.objective(lanes))
    logits = view.logits(lanes.point)
    return Gradient(logits.new_empty(0), logits.new_empty(0), logits, view.last_margin)
