"""The page: traces, their spans and the flame graphs of those, in a browser.

It asks Tempo and Pyroscope through :mod:`spanprofiles.clients` alone, so it shows any backend. Pages are whole as plain
HTML; pictures are SVG of :mod:`spanprofiles.report.svg`; one script of its own adds live lists, zoom and search.
"""

from __future__ import annotations

from spanprofiles.ui.application import create_app
from spanprofiles.ui.controls import ControlError, DemoControls
from spanprofiles.ui.server import CannotListenError, serve

__all__ = ["CannotListenError", "ControlError", "DemoControls", "create_app", "serve"]
