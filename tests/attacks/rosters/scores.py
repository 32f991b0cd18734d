"""Attacks that see scores only."""

from __future__ import annotations

from auditor_attacks.genattack import GenAttack
from auditor_attacks.nes import NES
from auditor_attacks.one_pixel import OnePixel
from auditor_attacks.simba import SimBA
from auditor_attacks.sparse_rs import SparseRS
from auditor_attacks.spsa import SPSA

ATTACKS = (
    OnePixel(queries=60, population=10, pixels=3),
    SPSA(queries=41, samples=2),
    NES(queries=40, samples=2),
    SimBA(queries=40),
    SimBA(queries=40, basis="pixel"),
    GenAttack(queries=40),
    SparseRS(queries=40),
    SparseRS(queries=40, unit="pixel"),
)
