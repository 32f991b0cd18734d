"""Several sources at once: for every target all others together, and the group that is worst for it.

The group is looked for greedily: the best single source, then at each turn the one whose own examples fool most
samples that those of the group do not. So what a further model adds is known before any group is attacked, and a target
costs one attack for all others and one for each size of group, up to `LARGEST`, as long as groups get worse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from auditor.engine.transfer.contender import release
from auditor.engine.transfer.ensemble import together
from auditor.engine.transfer.examples import Workshop
from auditor.engine.transfer.tried import Jury

if TYPE_CHECKING:
    from auditor.engine.transfer.contender import Contender
    from auditor.engine.transfer.examples import Bench, Examples
    from auditor.engine.transfer.setups import Setup
    from auditor.engine.transfer.tried import Heard
    from auditor.target.base import Target

LARGEST = 4
"""Models in a group that is looked for; all others together may be more."""


@dataclass
class Groups:
    """Ensembles of models, all of which are loaded together."""

    bench: Bench
    contenders: Sequence[Contender]
    load: Callable[[str], Target]
    deadline: float
    _targets: dict[str, Target] = field(default_factory=dict)

    def run(self, setups: Sequence[Setup], heard: Sequence[Heard]) -> None:
        """Add to what was heard what ensembles do.

        Raises:
            AuditorError: a model cannot be loaded any more.
        """
        with ExitStack() as stack:
            for contender in self.contenders:
                self._targets[contender.name] = target = contender.restored(self.load)
                stack.enter_context(target.frozen())
            for setup, known in zip(setups, heard, strict=True):
                for contender in self.contenders:
                    self._against(contender, setup, known)
                    self.bench.store.flush()
        self._targets.clear()
        release()

    def _against(self, victim: Contender, setup: Setup, known: Heard) -> None:
        """All others together; and ever larger groups, while they fool a larger share."""
        fell = {
            other.name: answers
            for other in self.contenders
            if other is not victim and (answers := known.answers.get((other.name, victim.name))) is not None
        }
        order = ordered({name: set(answers.index[answers.fooled].tolist()) for name, answers in fell.items()})
        if len(order) < 2:
            return
        self._tried(order, victim, setup, known)
        worst = fell[order[0]].rate
        for size in range(2, min(LARGEST, len(order) - 1) + 1):
            rate = self._tried(order[:size], victim, setup, known)
            if rate <= worst:
                return
            worst = rate

    def _tried(self, names: Sequence[str], victim: Contender, setup: Setup, known: Heard) -> float:
        """The share of samples that a group fools; its examples are made once, whichever targets answer them."""
        members = [contender for contender in self.contenders if contender.name in names]
        everyone = len(members) == len(self.contenders) - 1
        name = f"all but {victim.name}" if everyone else " + ".join(member.name for member in members)
        identity = tuple(member.identity for member in members)
        if name not in known.examples:
            known.examples[name] = self._made(name, members, identity, setup)
        examples = known.examples[name]
        if not examples.done:
            known.missing[name, victim.name] = examples.record.reason
            return 0.0
        jury = Jury(self.bench, self._targets[victim.name], victim, self.deadline)
        known.answers[name, victim.name] = answers = jury.examples(examples, setup, identity)
        return answers.rate

    def _made(self, name: str, members: Sequence[Contender], identity: tuple[Any, ...], setup: Setup) -> Examples:
        shop = Workshop(
            bench=self.bench,
            target=together([self._targets[member.name] for member in members], name),
            clean=members[0].clean,
            members=tuple(member.name for member in members),
            identity=identity,
        )
        right = np.logical_and.reduce([member.clean.attackable for member in members])
        return shop.make(setup, np.flatnonzero(right), self.deadline)


def ordered(fell: Mapping[str, set[int]]) -> list[str]:
    """Sources in the order in which each adds most to the samples that those before it fool; ties as they come."""
    left, covered, order = dict(fell), set[int](), list[str]()
    while left:
        name = max(left, key=lambda name: len(left[name] - covered))
        covered |= left.pop(name)
        order.append(name)
    return order
