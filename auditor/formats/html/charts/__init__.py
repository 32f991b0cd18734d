"""Geometry of the report's charts: where things lie, in percent of the width and pixels of the height.

Widths are percentages, so that a chart fills a phone and a page alike while its text keeps its size.
"""

from __future__ import annotations
