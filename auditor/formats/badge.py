"""`badge.svg` and `shields.json`: the result in two words, for the top of a README.

Both say the least robust accuracy of the run, or that nobody knows it. The colour is the verdict's; where nothing was
required of the model it is blue, whatever was measured.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from auditor.formats import words
from auditor.formats.base import Format

if TYPE_CHECKING:
    from auditor.result.record import Result
    from auditor.result.run import Run

LABEL = "robust accuracy"
# As shields.io names them, with the values that it draws.
_COLOURS = {
    "brightgreen": "#4c1",
    "red": "#e05d44",
    "yellow": "#dfb317",
    "lightgrey": "#9f9f9f",
    "blue": "#007ec6",
}
_HEIGHT, _PADDING = 20, 6
# Widths of Verdana at 11 pixels, in tenths of a pixel, by group; a browser is told the sum, and fits the text to it.
_WIDTHS = {"iljI.,:;'|!": 42, "frt()/ -": 46, "mwMW%@": 110}
_WIDTH = 70


class Badge(Format):
    """A picture with no font, script or address of its own."""

    name = "badge"
    filename = "badge.svg"
    help = "A badge as SVG: the least robust accuracy, coloured by the verdict."

    def render(self, run: Run, templates: tuple[str, ...] = ()) -> str:
        """Light text on two fields."""
        return _svg(LABEL, *said(run.result))


class Shields(Format):
    """What shields.io's endpoint badge reads: https://shields.io/badges/endpoint-badge."""

    name = "shields"
    filename = "shields.json"
    help = "The badge as shields.io reads it from an address of yours."

    def render(self, run: Run, templates: tuple[str, ...] = ()) -> str:
        """Schema version 1; a run that could not be made is an error."""
        message, colour = said(run.result)
        badge = {"schemaVersion": 1, "label": LABEL, "message": message, "color": colour}
        if run.result.verdict == "error":
            badge["isError"] = True
        return json.dumps(badge, indent=2, ensure_ascii=False) + "\n"


def said(result: Result) -> tuple[str, str]:
    """What the badge says, and in which colour."""
    if result.verdict == "error":
        return "could not be audited", "lightgrey"
    known = [
        (threat.robust_accuracy, words.threat(threat.norm, threat.eps, result.settings))
        for model in result.models
        for threat in model.threats
        if threat.robust_accuracy is not None and not threat.minimal
    ]
    least, under = min(known, key=lambda pair: pair[0], default=(0.0, ""))
    message = f"{words.percent(least)} at {under}" if known else "unknown"
    if result.verdict == "inconclusive":
        return f"inconclusive ({message})" if known else "inconclusive", "yellow"
    if not result.gates:
        return message, "blue"
    return message, "brightgreen" if result.verdict == "pass" else "red"


def _svg(label: str, message: str, colour: str) -> str:
    left, right = _width(label), _width(message)
    total, fill = left + right, _COLOURS[colour]
    title = escape(f"{label}: {message}", {'"': "&quot;"})
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{total}" height="{_HEIGHT}" role="img" aria-label="{title}">\n'
        f"  <title>{title}</title>\n"
        f'  <clipPath id="r"><rect width="{total}" height="{_HEIGHT}" rx="3"/></clipPath>\n'
        f'  <g clip-path="url(#r)">\n'
        f'    <rect width="{left}" height="{_HEIGHT}" fill="#555"/>\n'
        f'    <rect x="{left}" width="{right}" height="{_HEIGHT}" fill="{fill}"/>\n'
        f"  </g>\n"
        f'  <g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">\n'
        f"    {_text(label, 0, left)}\n"
        f"    {_text(message, left, right)}\n"
        f"  </g>\n"
        f"</svg>\n"
    )


def _text(text: str, start: int, width: int) -> str:
    inside = width - 2 * _PADDING
    return f'<text x="{start + _PADDING}" y="14" textLength="{inside}">{escape(text)}</text>'


def _width(text: str) -> int:
    tenths = sum(next((w for group, w in _WIDTHS.items() if c in group), _WIDTH) for c in text)
    return round(tenths / 10) + 2 * _PADDING
