"""``/doctor``: the doctor's table, live."""

from __future__ import annotations

import time
from threading import Lock

from flask import Blueprint, render_template, request

from spanprofiles.doctor import Examination, Verdict, examine
from spanprofiles.ui.sources import sources

views = Blueprint("doctor", __name__)

_LASTS_S = 4.0
_SINCE_S = 300.0
_UNLINKED = 12

_lock = Lock()
_known: dict[tuple[str, str], tuple[float, Examination]] = {}


@views.get("/doctor")
def doctor() -> str:
    """Show the findings for one service; ``part=findings`` is what a script asks for again and again."""
    services = sources().services()
    asked = request.args.get("service", "")
    service = asked or (services[0] if services else "")
    values = {
        "services": sorted({*services, *([asked] if asked else [])}),
        "service": service,
        "examination": _examination(service) if service else None,
        "verdicts": Verdict,
        "unlinked_rows": _UNLINKED,
        "minutes": round(_SINCE_S / 60),
    }
    return render_template("doctor_part.html" if request.args.get("part") else "doctor.html", **values)


def _examination(service: str) -> Examination:
    """Examine a service, or return what was found a moment ago: several open pages must not add up."""
    endpoints = sources().endpoints
    key = (endpoints.tempo, service)
    with _lock:
        done_s, found = _known.get(key, (0.0, None))
        if found is None or time.monotonic() - done_s > _LASTS_S:
            found = examine(endpoints, service=service, since_s=_SINCE_S)
            _known.clear()
            _known[key] = (time.monotonic(), found)
        return found
