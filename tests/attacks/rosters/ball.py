"""Attacks that search inside a ball of a given radius."""

from __future__ import annotations

from auditor_attacks.apgd import APGD
from auditor_attacks.fgsm import FGSM
from auditor_attacks.noise import Noise
from auditor_attacks.pgd import PGD
from auditor_attacks.square import Square

ATTACKS = (
    Noise(draws=3),
    FGSM(),
    PGD(steps=4, restarts=2),
    PGD(steps=4, momentum=0.75, loss="margin"),
    APGD(steps=12, restarts=2),
    APGD(steps=12, loss="dlr"),
    APGD(steps=12, loss="dlr-targeted", targets=3),
    Square(queries=40),
)
