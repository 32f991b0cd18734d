"""Training with projected gradient descent."""

from __future__ import annotations

import torch
from torch.nn import functional

from auditor.types import Norm, Threat
from auditor_defenses.pgd import PGDTraining
from tests.harden.trainees import linear, streams


def test_it_learns_from_the_worst_examples_alone() -> None:
    trainee, threat = linear([[1.0, -2.0], [0.0, 0.0]]), Threat(norm=Norm.LINF, eps=0.1)
    x, y = torch.full((2, 2), 0.5), torch.tensor([0, 1])
    recipe = PGDTraining()
    worst = recipe.perturb(trainee, x, y, threat, streams(2))
    torch.testing.assert_close(worst - x, 0.1 * torch.tensor([[-1.0, 1.0], [1.0, -1.0]]))
    loss = recipe.loss(trainee, x, worst, y, threat, streams(2))
    torch.testing.assert_close(loss, functional.cross_entropy(trainee(worst), y, reduction="none"))
    assert loss.requires_grad
