"""The attack that tries corruptions."""

from __future__ import annotations

from auditor_attacks.corruptions import Corruptions

ATTACKS = (Corruptions(),)
