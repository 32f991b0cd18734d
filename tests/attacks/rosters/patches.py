"""Attacks that paint a part of a picture, and patterns for many pictures."""

from __future__ import annotations

from auditor_attacks.adversarial_patch import AdversarialPatch
from auditor_attacks.patch_pgd import PatchPGD
from auditor_attacks.patch_rs import PatchRS
from auditor_attacks.sharif import Sharif
from auditor_attacks.uap import UAP

ATTACKS = (
    PatchPGD(steps=4, places=2),
    PatchRS(queries=20),
    Sharif(steps=4),
)
# What they find for a sample depends on the others, which is their purpose.
TOGETHER = (UAP(steps=10), AdversarialPatch(steps=4))
