"""Attacks that look for the smallest change by gradients: steps, balls that shrink, planes, and a dual problem."""

from __future__ import annotations

from auditor_attacks.alma import ALMA
from auditor_attacks.ddn import DDN
from auditor_attacks.deepfool import DeepFool
from auditor_attacks.fab import FAB
from auditor_attacks.fmn import FMN
from auditor_attacks.pdpgd import PDPGD
from auditor_attacks.superdeepfool import SuperDeepFool

ATTACKS = (
    ALMA(steps=30),
    DDN(steps=20),
    PDPGD(steps=20),
    FMN(steps=20),
    DeepFool(steps=5),
    SuperDeepFool(rounds=2, steps=4, halvings=3),
    FAB(steps=6, restarts=2),
    FAB(steps=5, aim="targets", classes=2, start="nearest"),
)
