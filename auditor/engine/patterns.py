"""Patterns that universal attacks learned: made once, kept beside the run as an array and, for people, a picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from auditor.engine.attempt import Ring, Status, guarded
from auditor.engine.ledger import Ledger
from auditor.engine.view import View
from auditor.errors import RunError
from auditor.result.evidence import pattern_path
from auditor.rng import Rng

if TYPE_CHECKING:
    from auditor.engine.aims import Aims
    from auditor.types import Images
    from auditor.universal import UniversalAttack


def pattern_file(run: Path, ring: Ring, name: str) -> Path:
    """Where the pattern of the attack called `name` lies."""
    return pattern_path(run, ring.target.name, ring.threat.norm, ring.threat.eps, name)


def learned(
    ring: Ring, attack: UniversalAttack, name: str, x: Images, aims: Aims, indices: np.ndarray
) -> tuple[torch.Tensor | None, Ledger, tuple[Status, str]]:
    """What an attack learns from samples `x`; the ledger that counted its passes; how it ended."""
    # Without a budget nobody falls, so all samples go on teaching.
    endless = replace(ring.threat, eps=float("inf"))
    ledger = Ledger.open(x, aims.y, endless, ring.target.num_classes, ring.margin, ring.deadline, aims.wanted)
    ledger.on_call, ledger.draws = ring.on_call, ring.draws
    view = View(ring.target, ledger, attack.access)
    rng = Rng.keyed(ring.seed, f"{name}/learn", torch.from_numpy(indices).to(x.device))
    kept: list[torch.Tensor] = []

    def search() -> str:
        pattern = attack.learn(view, ledger.origin.clone(), ledger.y.clone(), ring.threat, rng)
        if not isinstance(pattern, torch.Tensor) or not bool(pattern.isfinite().all()):
            return "learned no pattern of finite numbers"
        kept.append(pattern.detach())
        return ""

    ended = guarded(search)
    return (kept[0] if kept else None), ledger, ended


def write_pattern(path: Path, pattern: torch.Tensor) -> None:
    """Keep a pattern, with a picture beside it where it can be shown.

    Raises:
        RunError: the disk is full or not writable.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, pattern.float().cpu().numpy())
        if pattern.dim() == 3 and len(pattern) in (1, 3):
            _picture(path.with_suffix(".png"), pattern.float().cpu())
    except OSError as error:
        raise RunError(f"{path} cannot be written ({error.strerror}); make room, then --resume.") from error


def _picture(path: Path, pattern: torch.Tensor) -> None:
    """Gray stands for no change where a pattern has negative numbers; else it is a picture already."""
    from PIL import Image

    shown = 0.5 + 0.5 * pattern / pattern.abs().amax().clamp_min(1e-12) if bool((pattern < 0).any()) else pattern
    levels = (shown.clamp(0.0, 1.0) * 255.0).round().to(torch.uint8).permute(1, 2, 0).numpy()
    Image.fromarray(levels.squeeze(2) if levels.shape[2] == 1 else levels).save(path)
