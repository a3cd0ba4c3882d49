"""The demo: backend, three regions of the rideshare app and Locust as processes, and the first linked ride."""

from __future__ import annotations

from spanprofiles.demo.errors import DemoError
from spanprofiles.demo.figures import Figures, LiveFigures
from spanprofiles.demo.stack import DemoPorts, DemoStack, Region
from spanprofiles.demo.start_lock import one_at_a_time

__all__ = ["DemoError", "DemoPorts", "DemoStack", "Figures", "LiveFigures", "Region", "one_at_a_time"]
