"""Attacks that see labels only."""

from __future__ import annotations

from auditor_attacks.boundary import Boundary
from auditor_attacks.hopskipjump import HopSkipJump
from auditor_attacks.pointwise import Pointwise
from auditor_attacks.rays import RayS
from auditor_attacks.surfree import SurFree

ATTACKS = (
    Boundary(queries=160),
    HopSkipJump(queries=400, looks=20),
    Pointwise(queries=120),
    RayS(queries=120),
    SurFree(queries=160),
)
