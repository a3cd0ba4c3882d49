"""``/alarm``: what every page says at its top where links are dead, with a link to the doctor."""

from __future__ import annotations

from flask import Blueprint, render_template
from markupsafe import Markup

from spanprofiles.ui.link_monitor import Break, DeadLinks
from spanprofiles.ui.sources import sources

views = Blueprint("alarm", __name__)

_LOOK_TIMEOUT_S = 0.5
#: When a page that waits for more asks again, ms.
SOONER_MS = 250
_LINES = 3


@views.get("/alarm")
def alarm() -> str:
    """Show the alarm, or nothing. A script asks for it again and again."""
    return str(alarm_part())


def alarm_part() -> Markup:
    """Return the alarm as a part of a page; empty where there is nothing to say."""
    watch = sources().link_monitor
    groups = _grouped(watch.look(_LOOK_TIMEOUT_S))
    sooner_ms = SOONER_MS if watch.is_pending else 0
    text = render_template(
        "alarm.html", groups=groups[:_LINES], more=len(groups) - _LINES, breaks=Break, sooner_ms=sooner_ms
    )
    return Markup(text)  # noqa: S704  # the template has escaped what is in it


def _grouped(found: tuple[DeadLinks, ...]) -> list[list[DeadLinks]]:
    """Group the regions with the same problem."""
    groups: dict[tuple[str, Break, str], list[DeadLinks]] = {}
    for dead in sorted(found, key=lambda dead: (dead.kind.value, dead.place.service, dead.place.region, dead.cause)):
        groups.setdefault((dead.place.service, dead.kind, dead.cause), []).append(dead)
    return list(groups.values())
