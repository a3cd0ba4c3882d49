"""``/demo/...``: the demo's load and faults. Only where the demo handed over its controls."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from spanprofiles.ui.controls import FAULT_WORDS, MOST_RIDERS, ControlError, DemoControls
from spanprofiles.ui.sources import Change, sources

views = Blueprint("demo", __name__, url_prefix="/demo")

_ON = "on"
_STATES = {_ON, "off"}


def control_values() -> dict[str, object]:
    """Return what the template of the controls needs."""
    controls = _controls()
    faults = _in_order(controls.faults())
    return {
        "controls": controls,
        "riders": controls.riders(),
        "most_riders": MOST_RIDERS,
        "faults": faults,
        "fault_words": FAULT_WORDS,
        "on": [(name, region) for name, states in faults.items() for region, on in states.items() if on],
        "open": request.args.get("open") == "1",
        "changes": list(sources().changes)[-3:][::-1],
    }


@views.get("/controls")
def controls() -> str:
    """Show the controls: what a script asks for again and again."""
    return render_template("controls_part.html", **control_values())


@views.post("/riders")
def riders() -> Response:
    """Change how many riders there are."""
    text = request.form.get("riders", "")
    try:
        count = int(text)
    except ValueError:
        abort(400, f"{text!r} is no number of riders: 0 to {MOST_RIDERS} is expected")
    _do(partial(_controls().set_riders, count))
    return redirect(url_for("rides.home", controls="open", _anchor="demo"), 303)


@views.post("/faults")
def faults() -> Response:
    """Switch a fault in one region."""
    name = request.form.get("fault", "")
    state, _, region = request.form.get("switch", "").partition(" ")
    if not name or state not in _STATES:
        abort(400, "a fault, a region, and on or off are needed")
    _do(partial(_controls().set_fault, name, region, state == _ON))
    sources().changes.append(Change(int(time.time()), f"{name} switched {state} in {region}", region))
    return redirect(url_for("rides.home", controls="open", _anchor="demo"), 303)


def _in_order(faults: dict[str, dict[str, bool]]) -> dict[str, dict[str, bool]]:
    """Put those first that the page has words for, in the order of the words."""
    known = [name for name in FAULT_WORDS if name in faults]
    return {name: faults[name] for name in [*known, *(name for name in sorted(faults) if name not in known)]}


def _controls() -> DemoControls:
    found = sources().controls
    if found is None:
        abort(404, "this page was not started by the demo: there is nothing to steer")
    return found


def _do(action: Callable[[], None]) -> None:
    try:
        action()
    except ControlError as error:
        abort(502, str(error))
