"""Attacks made for transfer."""

from __future__ import annotations

from auditor_attacks.difgsm import DIFGSM
from auditor_attacks.mifgsm import MIFGSM
from auditor_attacks.nifgsm import NIFGSM
from auditor_attacks.sifgsm import SIFGSM
from auditor_attacks.tifgsm import TIFGSM
from auditor_attacks.transfer import Transfer
from auditor_attacks.vmifgsm import VMIFGSM

ATTACKS = (
    MIFGSM(steps=4),
    NIFGSM(steps=4),
    DIFGSM(steps=4),
    TIFGSM(steps=4, radius=1),
    SIFGSM(steps=3, scales=2),
    VMIFGSM(steps=3, neighbours=2),
    Transfer(steps=3, scales=2, neighbours=1, radius=1, nesterov=True),
)
