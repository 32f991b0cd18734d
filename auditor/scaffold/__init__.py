"""A plugin's distribution, written from templates: it installs, passes its tests, and is listed at once."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from pathlib import Path

from auditor.errors import RunError, UsageError

KINDS = {
    "attack": ("attacks", "Attack"),
    "recipe": ("defenses", "Recipe"),
    "wrapper": ("defenses", "Wrapper"),
    "check": ("checks", "Check"),
    "format": ("formats", "Format"),
    "loader": ("load_model", "Target"),
}
"""By kind: the hook that offers it, without `auditor_`, and what it is made of."""

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Names:
    """What one name is in each of the places where it stands: `my-attack`, `my_attack`, `MyAttack`, `MYATTACK001`."""

    name: str

    @property
    def module(self) -> str:
        return self.name.replace("-", "_")

    @property
    def package(self) -> str:
        return f"auditor_{self.module}"

    @property
    def distribution(self) -> str:
        return f"auditor-{self.name}"

    @property
    def cls(self) -> str:
        return "".join(part.capitalize() for part in self.name.split("-"))

    @property
    def code(self) -> str:
        return f"{re.sub('[^A-Z]', '', self.name.upper())[:8]}001"


def write_plugin(name: str, kind: str, folder: Path) -> Path:
    """The distribution `folder/auditor-NAME`, whose path is returned.

    Raises:
        UsageError: no such kind, or a name that Python or package indexes would not take.
        RunError: the folder is there already, or cannot be written.
    """
    if kind not in KINDS:
        hint = " A defense trains, as a recipe, or stands before a model, as a wrapper." if kind == "defense" else ""
        raise UsageError(f"There is no kind {kind!r} of plugin; choose from {', '.join(KINDS)}.{hint}")
    names = Names(name)
    if not _NAME.fullmatch(name) or keyword.iskeyword(names.module) or len(names.code) < 5:
        raise UsageError(
            f"{name!r} is no name for a plugin; write small letters with dashes between, such as my-{kind}."
        )
    place = folder / names.distribution
    if place.exists():
        raise RunError(f"{place} is there already; it was left as it is.")
    try:
        for path, text in _files(names, kind).items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise RunError(f"{place} cannot be written: {error.strerror}.") from error
    return place


def _files(names: Names, kind: str) -> dict[str, str]:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from auditor._version import __version__

    templates = Environment(
        loader=PackageLoader("auditor.scaffold"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # Python and TOML, made of names that were checked.
    )
    hook, base = KINDS[kind]
    known = {"names": names, "kind": kind, "hook": hook, "base": base, "version": __version__}
    source = f"src/{names.package}"
    made = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        f"{source}/__init__.py": "package.py",
        f"{source}/py.typed": "",
        f"{source}/{names.module}.py": f"{kind}.py",
        f"tests/test_{names.module}.py": f"{kind}.tests.py",
    }
    return {path: templates.get_template(f"{of}.j2").render(known) if of else "" for path, of in made.items()}
