"""Does the model answer the same question the same way?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.check import Finding
from auditor.target.answers import AT_RANDOM, PASSES, at_random
from auditor.target.notices import RANDOM
from auditor_checks._answers import affordable, in_batches, spread
from auditor_checks._base import TrustCheck

if TYPE_CHECKING:
    from auditor.engine.scene import Scene

_FEW, _AGAIN = 4, 16


class Determinism(TrustCheck):
    """The model gives the same answer to the same sample, every time.

    Seen: repeated passes over the same samples that differ.
    Means: an example that fools one draw may not fool the next, and one lucky draw ends an attack too early
        (auto-attack pull 105). Such models need attacks that average over many draws (EOT, Athalye et al.,
        arXiv:1802.00420), and a judgement over many draws. The audit does both: attacks average over 20 draws or as
        many as `--eot` says, and a sample counts as broken where most of 20 or more fresh draws are wrong, once in a
        batch and once alone. The record also says what holds if any single draw may be wrong.
    Measured: five passes over the same samples: the number classified correctly, the answers, and the largest L2
        difference between logits of norm 1. Where they do not differ, sixteen over four of the samples: a model that
        tosses one coin for a whole batch answers five times alike in one of sixteen audits.
    Threshold: any change in the number of correct answers, or a difference above 1e-4 (AutoAttack's own check, Croce
        & Hein, arXiv:2003.01690). It warns; whether the draws suffice is the business of AUD215 and AUD216.
    Do: switch the randomness off if it is not deployed: dropout called as a function needs `training=self.training`.
    """

    code: ClassVar[str] = RANDOM
    title: ClassVar[str] = AT_RANDOM

    def inspect(self, scene: Scene) -> Iterator[Finding]:
        some = affordable(scene)
        x, y = scene.x[some], scene.y[some]
        passes = torch.stack([in_batches(scene.target.answer, x) for _ in range(PASSES)])
        found = at_random(passes, y)
        if found is None:
            few = spread(len(x), _FEW)
            again = torch.stack([in_batches(scene.target.answer, x[few]) for _ in range(_AGAIN)])
            found = at_random(again, y[few])
        if found is not None:
            yield found
