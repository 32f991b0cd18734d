"""Attacks that look for the smallest change: by an objective with weights (l2, linf, l1), and in l0."""

from __future__ import annotations

from auditor_attacks.cw import CW
from auditor_attacks.cw_l0 import CWL0
from auditor_attacks.cw_linf import CWLinf
from auditor_attacks.ead import EAD
from auditor_attacks.jsma import JSMA
from auditor_attacks.lbfgs import LBFGS
from auditor_attacks.sigma_zero import SigmaZero

ATTACKS = (
    LBFGS(steps=10, searches=3),
    CW(steps=12, searches=3, step_size=0.05),
    CWLinf(steps=30, step_size=0.02),
    CWL0(steps=8, rounds=6),
    EAD(steps=20, searches=2, step_size=0.05),
    SigmaZero(steps=30),
    JSMA(steps=6, targets=2),
)
