"""What a format is: a name, a file, and a pure function of a finished run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from auditor.result.run import Run


class Format(ABC):
    """Renders a run. The same run gives the same bytes; nothing is measured here, and no exit code is decided."""

    name: ClassVar[str]
    filename: ClassVar[str]
    help: ClassVar[str]

    @abstractmethod
    def render(self, run: Run, templates: tuple[str, ...] = ()) -> str:
        """The text of the file; `templates` are import names of packages whose templates override ours."""
