"""What universal attacks learned, each pattern once, with the share of samples that it fools."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from auditor.formats import words
from auditor.formats.html import context
from auditor.formats.html.drawing import SMALL, is_picture, shown
from auditor.result.evidence import pattern_path

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from auditor.result.record import AttackRun, ModelResult
    from auditor.result.run import Run


def patterns(run: Run, model: ModelResult) -> tuple[context.Pattern, ...]:
    """The patterns of one model that can be shown, in the order of its threats and attacks."""
    return tuple(_patterns(run, model))


def _patterns(run: Run, model: ModelResult) -> Iterator[context.Pattern]:
    for threat in model.threats:
        for attack in threat.attacks:
            if not attack.attacked:
                continue
            pattern = _read(pattern_path(run.path, model.name, threat.norm, threat.eps, attack.name))
            if pattern is not None and is_picture(pattern.shape):
                name = f"{attack.name}, {words.threat(threat.norm, threat.eps, run.result.settings)}"
                picture = shown(_visible(pattern), f"The pattern that {attack.name} learned")
                small = max(picture.width, picture.height) <= SMALL
                yield context.Pattern(shown=picture, pixelated=small, name=name, said=_said(attack, pattern))


def _read(path: Path) -> np.ndarray | None:
    """The pattern; None where there is none, or the file is damaged."""
    import numpy as np

    try:
        pattern = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return pattern if isinstance(pattern, np.ndarray) and pattern.dtype.kind == "f" else None


def _visible(pattern: np.ndarray) -> np.ndarray:
    """A change in both directions around grey; what has no negative numbers is a picture already."""
    import numpy as np

    largest = float(np.abs(pattern).max())
    return 0.5 + 0.5 * pattern / largest if bool((pattern < 0).any()) and np.isfinite(largest) else pattern


def _said(attack: AttackRun, pattern: np.ndarray) -> str:
    share = words.percent(attack.broken / attack.attacked)
    fools = f"fools {words.count(attack.broken)} of the {words.count(attack.attacked, 'sample')} that it met ({share})"
    return f"{fools}; magnified, grey means no change" if bool((pattern < 0).any()) else fools
