"""What attacks hand on as the closest point lies inside the threat and is as close as they say, in every norm."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from auditor import LaneAttack, Norm, Rng, Threat, View, margins
from auditor.attack import Attack
from auditor.engine.ledger import Ledger
from auditor.norms import distance, tolerance
from auditor_attacks.apgd import APGD
from auditor_attacks.pgd import PGD
from auditor_attacks.square import Square
from tests.attacks.test_contract import network, samples
from tests.oracles import target_of

EPS = {Norm.LINF: 0.02, Norm.L2: 0.12, Norm.L1: 0.5}
ATTACKS = (
    *(APGD(steps=steps) for steps in (1, 2, 3, 7, 30)),
    APGD(steps=6, loss="dlr", start="tiles", restarts=2),
    APGD(steps=5, loss="dlr-targeted", targets=2, order="linear"),
    APGD(steps=5, loss="margin", start="closest"),
    PGD(steps=4, restarts=2),
    Square(queries=15),
    Square(queries=15, start="closest", p_init=0.1, p_final=0.02),
)


def known(attack: Attack, x: Tensor, y: Tensor, threat: Threat) -> tuple[Tensor, Tensor, Tensor]:
    """Closest points, their margins, and the margins before."""
    model = network((1, 6, 6), 5)
    ledger = Ledger.open(x, y, threat, 5, 0.0, float("inf"))
    ledger.closest_margin = margins(model(x), y)
    view = View(target_of(model, 5), ledger, attack.access).unending()
    attack.perturb(view, x, y, threat, Rng.keyed(0, attack.label, torch.arange(len(x))))
    return ledger.closest, ledger.closest_margin, margins(model(x), y)


@pytest.mark.parametrize("norm", list(EPS))
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: f"{a.label}-{getattr(a, 'steps', '')}")
def test_closest_points_lie_inside_and_have_the_margins_they_are_known_by(attack: Attack, norm: Norm) -> None:
    model = network((1, 6, 6), 5)
    x, y = samples(model, (1, 6, 6), 12)
    threat = Threat(norm=norm, eps=EPS[norm])
    closest, margin, before = known(attack, x, y, threat)
    assert (distance(closest, x, norm) <= threat.eps + tolerance(norm, threat.eps)).all()
    assert ((closest >= 0.0) & (closest <= 1.0)).all()
    assert torch.allclose(margins(model(closest), y), margin, atol=1e-4)
    assert (margin >= before).all()
    # Where an attack does not run in lanes, the engine notes what it hands back.
    assert bool((margin > before).any()) == (isinstance(attack, LaneAttack) and attack.in_lanes(threat))
