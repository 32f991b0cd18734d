"""Several models attacked at once, as one: the mean of their logits (Dong et al., arXiv:1710.06081, section 3.4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from auditor.target.base import ModelOptions, Target

if TYPE_CHECKING:
    from auditor.types import Images, Logits


def together(members: Sequence[Target], name: str) -> Target:
    """A target that answers with the mean of its members' logits, deployed and differentiable; bound as they are.

    What moves the mean most moves what the members have in common. All of them have to stay loaded, and agree on the
    classes and on the samples' shape; each keeps its own preprocessing.
    """

    def mean(answers: Callable[[Target], Logits]) -> Logits:
        total = answers(members[0])
        for member in members[1:]:
            total = total + answers(member)
        return total / len(members)

    def deployed(x: Images) -> Logits:
        return mean(lambda member: member.answer(x))

    def twin(x: Images) -> Logits:
        return mean(lambda member: member.differentiable(x))

    return Target(
        name=name,
        source=name,
        sha256="",
        format="ensemble",
        deployed=deployed,
        twin=twin,
        gradients="twin",
        input_shape=None,
        options=ModelOptions(),
        device=members[0].device,
        draws=max(member.draws for member in members),
        num_classes=members[0].num_classes,
    )
