"""The demo: backend, three regions of the rideshare app and Locust as processes, and the first linked ride.

It runs from a checkout, where the packages ``rideshare`` and ``loadgen`` lie beside this one.
"""

from __future__ import annotations

from spanprofiles.demo.figures import Figures, LiveFigures
from spanprofiles.demo.stack import DemoError, DemoPorts, DemoStack, Region
from spanprofiles.demo.starting import one_at_a_time

__all__ = ["DemoError", "DemoPorts", "DemoStack", "Figures", "LiveFigures", "Region", "one_at_a_time"]
