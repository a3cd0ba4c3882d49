"""How far before and after a span Grafana looks for its profile, which is dated by the start of its upload."""

from __future__ import annotations

#: What the button "Profiles for this span" adds on either side of the span, s and ms.
BUTTON_MARGIN_S = 60
BUTTON_MARGIN_MS = BUTTON_MARGIN_S * 1000

#: What the flame graph in the span's details adds on either side of the span, s and ms.
EMBEDDED_MARGIN_S = 30
EMBEDDED_MARGIN_MS = EMBEDDED_MARGIN_S * 1000
