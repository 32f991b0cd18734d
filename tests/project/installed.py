"""Installs small distributions for a test: real modules and real `.dist-info` metadata in a folder on `sys.path`."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path

_ATTACK = """
    from typing import ClassVar
    from auditor import Access, Attack, Norm, hookimpl

    class Idle(Attack):
        '''Does nothing.'''
        name: ClassVar[str] = "{name}"
        norms: ClassVar[frozenset[Norm]] = frozenset({{Norm.LINF}})
        access: ClassVar[Access] = Access.LABELS

        def perturb(self, target, x, y, threat, rng):
            return x

    @hookimpl
    def auditor_attacks():
        return [Idle]
"""


def attack(name: str) -> str:
    """The source of a plugin with one attack of this name."""
    return _ATTACK.format(name=name)


@dataclass(frozen=True)
class SitePackages:
    """A folder that distributions are installed into."""

    folder: Path

    def install(self, distribution: str, entry: str, source: str, *, metadata: bytes | None = None) -> None:
        """Version 1.0 of a distribution: one module, named after it, behind one entry point of the group `auditor`.

        `metadata` replaces what the file METADATA should hold; where it is empty, there is no such file.
        """
        module = distribution.replace("-", "_")
        (self.folder / f"{module}.py").write_text(textwrap.dedent(source), encoding="utf-8")
        info = self.folder / f"{module}-1.0.dist-info"
        info.mkdir()
        content = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n".encode()
        if metadata != b"":
            (info / "METADATA").write_bytes(metadata or content)
        (info / "entry_points.txt").write_text(f"[auditor]\n{entry} = {module}\n")
