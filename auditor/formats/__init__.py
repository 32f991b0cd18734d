"""Report formats: pure functions of a finished run. Nothing heavy is imported before a format is asked to render."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.hookspecs import hookimpl

if TYPE_CHECKING:
    from auditor.formats.base import Format


@hookimpl
def auditor_formats() -> tuple[Format, ...]:
    """The formats that come with auditor."""
    from auditor.formats.badge import Badge, Shields
    from auditor.formats.html import Html
    from auditor.formats.json import Json
    from auditor.formats.junit import Junit
    from auditor.formats.markdown import Markdown
    from auditor.formats.metrics import Metrics
    from auditor.formats.model_card import ModelCard
    from auditor.formats.sarif import Sarif

    return (Html(), Json(), Junit(), Markdown(), Sarif(), Badge(), Shields(), Metrics(), ModelCard())
