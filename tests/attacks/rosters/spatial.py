"""Attacks that move pixels."""

from __future__ import annotations

from auditor_attacks.spatial import Spatial
from auditor_attacks.spatial_pgd import SpatialPGD
from auditor_attacks.stadv import StAdv

ATTACKS = (Spatial(rotations=3, shifts=3), SpatialPGD(steps=4, restarts=1), StAdv(steps=4))
