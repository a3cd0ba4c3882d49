"""Traces and flame graphs as SVG: pure functions from the model to text.

The page shows the pictures inside its HTML, where its stylesheet colours them. The functions named ``..._document``
return complete files. All positions and widths along the horizontal axis are percentages, so that a picture fills any
width. Every text is escaped: names of spans and functions are data, never markup.
"""

from __future__ import annotations

from spanprofiles.report.svg.difference import DifferenceLayout, difference_document, difference_layout, difference_svg
from spanprofiles.report.svg.flame import flame_document, flame_svg
from spanprofiles.report.svg.layout import FlameBox, FlameLayout, Origin, flame_layout
from spanprofiles.report.svg.plot import Series, bar_svg, plot_svg
from spanprofiles.report.svg.scatter import Point, scatter_svg
from spanprofiles.report.svg.style import STYLE
from spanprofiles.report.svg.waterfall import SpanMark, service_colours, waterfall_document, waterfall_svg

__all__ = [
    "STYLE",
    "DifferenceLayout",
    "FlameBox",
    "FlameLayout",
    "Origin",
    "Point",
    "Series",
    "SpanMark",
    "bar_svg",
    "difference_document",
    "difference_layout",
    "difference_svg",
    "flame_document",
    "flame_layout",
    "flame_svg",
    "plot_svg",
    "scatter_svg",
    "service_colours",
    "waterfall_document",
    "waterfall_svg",
]
