"""The page: traces, their spans and the spans' flame graphs in a browser.

It asks Tempo and Pyroscope through :mod:`spanprofiles.clients` alone, so it shows any backend. Pages are complete as
plain HTML. Pictures are SVG of :mod:`spanprofiles.report.svg`. A script adds live lists, zoom and search.
"""

from __future__ import annotations

from spanprofiles.ui.application import create_app
from spanprofiles.ui.controls import ControlError, DemoControls
from spanprofiles.ui.server import CannotListenError, serve

__all__ = ["CannotListenError", "ControlError", "DemoControls", "create_app", "serve"]
