"""``/doctor``: the doctor's table, live, with buttons for the command's options."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from spanprofiles.doctor import Verdict
from spanprofiles.ui.advice import Action, page_advice
from spanprofiles.ui.examinations import DEFAULT_WINDOW, WINDOWS, CheckError
from spanprofiles.ui.sources import sources

views = Blueprint("doctor", __name__)

_UNLINKED = 12


@views.get("/doctor")
def doctor() -> str:
    """Show the findings for a service. A script asks for ``part=findings`` again and again."""
    return render_template("doctor_part.html" if request.args.get("part") else "doctor.html", **_values())


@views.post("/doctor/probe")
def probe() -> Response:
    """Send a synthetic span and profile, and read them back."""
    return _checked(partial(sources().examinations.probe, _service(), request.form.get("receiver", "")), "probe-form")


@views.post("/doctor/grafana")
def grafana() -> Response:
    """Take Grafana's settings, from its address or pasted; forget them where neither is given."""
    address, settings = request.form.get("address", ""), request.form.get("settings", "")
    found = sources().examinations
    if settings.strip():
        return _checked(partial(found.check_settings, settings), "grafana-form")
    if address.strip():
        return _checked(partial(found.check_grafana, address, request.form.get("access", "")), "grafana-form")
    return _checked(found.forget_grafana, "grafana-form")


def _checked(check: Callable[[], None], form: str) -> Response:
    """Make a check and show the findings again; say at its form why it cannot be made."""
    try:
        check()
    except CheckError as error:
        return Response(render_template("doctor.html", **(_values() | {"refused": {form: str(error)}})), 400)
    return redirect(url_for("doctor.doctor", service=_service() or None, since=_since()), 303)


def _asked(name: str) -> str:
    return (request.form if request.method == "POST" else request.args).get(name, "")


def _service() -> str:
    services = sources().services()
    return _asked("service") or (services[0] if services else "")


def _since() -> str:
    window = _asked("since") or DEFAULT_WINDOW
    if window not in WINDOWS:
        abort(400, f"there is no time {window!r} to look back: choose one of {', '.join(WINDOWS)}")
    return window


def _values() -> dict[str, object]:
    found, service, window = sources(), _service(), _since()
    services = sorted({*found.services(), *([service] if service else [])})
    others = [name for name in services if name != service]
    names = list(WINDOWS)
    return {
        "services": services,
        "service": service,
        "examination": found.examinations.look(service, window),
        "verdicts": Verdict,
        "unlinked_rows": _UNLINKED,
        "windows": {name: words for name, (_, words) in WINDOWS.items()},
        "since": window,
        "longer": names[names.index(window) + 1 :][:3],
        "advice_of": lambda advice: page_advice(advice, others),
        "actions": Action,
        "receiver": found.examinations.receiver,
        "grafana": found.examinations.grafana,
        "refused": {},
    }
