"""Ways to search on where the attacks of a plan are in doubt, each gone on with until it pays no more."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from auditor.target.nearby import Nearby
from auditor.target.through import Past
from auditor.types import Access, Norm
from auditor_checks._answers import once
from auditor_checks._inquiry import climbs, more_than_few

if TYPE_CHECKING:
    from auditor.engine.inquiry import Inquiry
    from auditor.engine.trial import Trial
    from auditor.result.record import AttackRun
    from auditor.types import Threat

FEW = 0.005
"""Of all samples; a round that breaks no more, or a single one, does not pay."""
_ROUNDS = 5


@dataclass(frozen=True, kw_only=True)
class Way:
    """An attack with its parameters and conditions; always in the precision of the model, whatever the suite chose.

    Attributes:
        effort: the parameter that is doubled from round to round.
        spread: the radius, in units of the budget, of the neighbourhood over which gradients are averaged.
        said: what is different about it, as a person says it.
        advice: what whoever was helped by it does from then on.
    """

    attack: str
    effort: str
    said: str
    advice: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    through: Past | None = None
    spread: float = 0.0

    def tried(self, inquiry: Inquiry, on: np.ndarray, threat: Threat | None = None) -> Trial:
        """What it does to some samples, fallen ones too, without being counted."""
        return inquiry.trial(self.attack, on, threat=threat, **self.conditions(inquiry), **self.parameters)

    def run(self, inquiry: Inquiry) -> AttackRun:
        """Run it on all that stand."""
        return inquiry.attack(self.attack, **self.conditions(inquiry), **self.parameters)

    def conditions(self, inquiry: Inquiry) -> dict[str, Any]:
        """How it sees the target."""
        # By as much in every norm: a neighbourhood in l2 is spread over all entries.
        entries = 1.0 if inquiry.threat.norm is Norm.LINF else math.prod(inquiry.batches.samples.shape) ** 0.5
        near = Nearby(self.spread * inquiry.threat.eps / entries) if self.spread else None
        return {"exact": True, "through": self.through, "near": near}

    def harder(self) -> Way:
        """The same with twice the steps or queries."""
        return replace(self, parameters={**self.parameters, self.effort: 2 * self.parameters[self.effort]})

    def covers(self, other: Way) -> bool:
        """Whether it is the other, with as much effort at least."""
        fewer, mine = dict(other.parameters), dict(self.parameters)
        enough = mine.pop(self.effort) >= fewer.pop(self.effort, 0)
        return enough and (self.attack, self.through, self.spread, mine) == (
            other.attack,
            other.through,
            other.spread,
            fewer,
        )


@once
def _repeated(inquiry: Inquiry) -> set[Past]:
    """What the gradients pass along which the plan climbed once more."""
    return set()


@once
def _ended(inquiry: Inquiry) -> list[Way]:
    """The ways in which all that stand were searched until that paid no more, by whichever check."""
    return []


_OPERATIONS = "the gradients of its operations, whatever it says of them itself"
_LONGER = "Take more steps: --suite thorough."
BLIND = "Nothing led its gradients right: read AUD112, AUD113 and AUD221 for what hides them, and run --suite thorough."

_BALL = (
    Way(
        attack="apgd",
        effort="steps",
        said="a loss that does not depend on the scale of the logits",
        advice="Climb that loss from the beginning: --attack apgd:loss=dlr,steps=100.",
        parameters={"loss": "dlr", "steps": 50},
    ),
    Way(
        attack="apgd",
        effort="steps",
        said="gradients that pass rounding, signs and saturated outputs",
        advice="Follow such gradients from the beginning: --bpda.",
        parameters={"loss": "dlr", "steps": 50},
        through=Past.STEPS,
    ),
    Way(
        attack="apgd",
        effort="steps",
        said="further starts",
        advice="Begin more often: --bpda --attack apgd:loss=margin,start=tiles,restarts=10.",
        parameters={"loss": "margin", "steps": 25, "start": "tiles", "restarts": 5},
        through=Past.STEPS,
    ),
    Way(
        attack="apgd",
        effort="steps",
        said=_OPERATIONS,
        advice="Give the model without the layer that has a backward pass, a hook or a detached tensor of its own.",
        parameters={"loss": "dlr", "steps": 50},
        through=Past.BACKWARDS,
    ),
    Way(
        attack="apgd",
        effort="steps",
        said="gradients averaged over a small neighbourhood",
        advice="Look for a ripple, or a slope that ends, in front of the model, and give the model without it.",
        parameters={"loss": "margin", "steps": 50},
        spread=0.25,
    ),
)
_FEW_ENTRIES = (
    Way(attack="sigma-zero", effort="steps", said="more steps", advice=_LONGER, parameters={"steps": 400}),
    Way(
        attack="sigma-zero",
        effort="steps",
        said="gradients that pass rounding, signs and saturated outputs",
        advice="Follow such gradients from the beginning: --bpda.",
        parameters={"steps": 400},
        through=Past.STEPS,
    ),
    Way(
        attack="sigma-zero",
        effort="steps",
        said=_OPERATIONS,
        advice="Give the model without the layer that has a backward pass, a hook or a detached tensor of its own.",
        parameters={"steps": 400},
        through=Past.BACKWARDS,
    ),
)
_SQUARE, _SPARSE = (
    Way(attack=attack, effort="queries", said="queries alone", advice=BLIND, parameters={"queries": 2000})
    for attack in ("square", "sparse-rs")
)
# Past a step gradients are those of a near relation, whose examples are often next to those of the model.
_FROM_THERE = Way(
    attack="square",
    effort="queries",
    said="queries from where gradients led",
    advice=BLIND,
    parameters={"queries": 2000, "start": "closest", "p_init": 0.1, "p_final": 0.01},
)
_LABELS = {Norm.LINF: "rays", Norm.L2: "hopskipjump", Norm.L0: "pointwise"}


def following_gradients(norm: Norm) -> tuple[Way, ...]:
    """Ways that follow gradients as the suites do not."""
    return _FEW_ENTRIES if norm is Norm.L0 else _BALL


def asking_scores(norm: Norm) -> Way:
    """The way that asks for scores and begins anew, so that nothing of a misled search is left in it."""
    return _SPARSE if norm is Norm.L0 else _SQUARE


def asking_labels(norm: Norm) -> Way | None:
    """The way that asks for labels alone, where there is one."""
    if (attack := _LABELS.get(norm)) is None:
        return None
    return Way(attack=attack, effort="queries", said="labels alone", advice=BLIND, parameters={"queries": 2000})


def reaching(inquiry: Inquiry, missed: np.ndarray, threat: Threat | None = None) -> tuple[list[Way], np.ndarray]:
    """Try one way after the other on samples that an attack should have broken and missed, until at most one is left;
    queries only on what no gradients broke.

    Returns as few ways as break what all of them broke, the one that broke most first; and the samples left.
    """
    left, fell = np.ones(len(missed), bool), list[tuple[Way, np.ndarray]]()
    scores = asking_scores(inquiry.threat.norm)
    for way in (*following_gradients(inquiry.threat.norm), scores):
        if left.sum() < 2:
            break
        on = np.flatnonzero(left) if way is scores else np.arange(len(missed))
        broke = np.zeros(len(missed), bool)
        broke[on] = way.tried(inquiry, missed[on], threat).fell
        fell.append((way, broke))
        left &= ~broke
    return _fewest(fell), missed[left]


def _fewest(fell: Sequence[tuple[Way, np.ndarray]]) -> list[Way]:
    """Of ways and what each broke, as few as leave at most one sample out that any of them broke."""
    ways: list[Way] = []
    left = np.logical_or.reduce([broke for _, broke in fell]) if fell else np.zeros(0, bool)
    while left.sum() > (1 if ways else 0):
        way, broke = max(fell, key=lambda each: int((each[1] & left).sum()))
        ways.append(way)
        left &= ~broke
    return ways


def gone_on(inquiry: Inquiry, way: Way) -> bool:
    """Run it on all that stand, with twice the effort each time, until a round does not pay; whether it came to that.

    Where its gradients are other ones than those of the plan, the plan's own climbs follow them too. What is broken is
    counted.
    """
    if any(done.covers(way) for done in _ended(inquiry)):
        return True
    _climb_again(inquiry, way)
    for _ in range(_ROUNDS):
        stood = len(inquiry.standing)
        if not stood:
            return True
        run = way.run(inquiry)
        if run.status != "ran" or run.attacked < stood:
            return not len(inquiry.standing)
        if not more_than_few(run.broken, inquiry.total, FEW):
            _ended(inquiry).append(way)
            return True
        way = way.harder()
    return False


def _climb_again(inquiry: Inquiry, way: Way) -> None:
    """Once: what the plan climbed, along the gradients of this way where they pass something. Averaged ones cost as
    many passes as there are points, too many for all of that."""
    if not way.through or way.spread or way.through in _repeated(inquiry):
        return
    _repeated(inquiry).add(way.through)
    for run in climbs(inquiry):
        inquiry.attack(run.attack, **way.conditions(inquiry), **run.parameters)


def from_there(inquiry: Inquiry, ways: Sequence[Way]) -> bool:
    """Go on by queries from where these ways led, if their gradients are other ones than the plan's; whether that came
    to its end."""
    if inquiry.threat.norm is Norm.L0 or not any(way.through or way.spread for way in ways):
        return True
    return gone_on(inquiry, _FROM_THERE)


def all_gone_on(inquiry: Inquiry, ways: Sequence[Way]) -> bool:
    """Go on with each of these ways, whatever came of the others, then from where they led; whether all came to their
    end."""
    ended = [gone_on(inquiry, way) for way in ways]
    return from_there(inquiry, ways) and all(ended)


def and_queries(inquiry: Inquiry, ways: Sequence[Way]) -> bool:
    """Go on with these ways, and with queries from scratch at the end: gradients that misled once are not trusted to
    have found all there is."""
    scores = asking_scores(inquiry.threat.norm)
    ended = all_gone_on(inquiry, [way for way in ways if way != scores])
    return gone_on(inquiry, scores) and ended


def leading(inquiry: Inquiry) -> AttackRun | None:
    """The attack of the plan that did most of the work: of those that follow gradients, if there are any."""
    seen = [run for run in inquiry.runs if run.attack and run.attacked and run.status == "ran" and not run.because]
    return max(seen, key=lambda run: (run.access == Access.GRADIENTS, run.broken, run.backwards), default=None)
