"""``/demo/...``: the demo's load and faults, where the demo gave the page its controls."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from flask import Blueprint, abort, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from spanprofiles.ui.controls import (
    FAULT_WORDS,
    MOST_RIDERS,
    WIRING_WORDS,
    ControlError,
    DemoControls,
    RegionFaults,
    by_fault,
)
from spanprofiles.ui.sources import Change, sources

views = Blueprint("demo", __name__, url_prefix="/demo")

_ON = "on"
_STATES = {_ON, "off"}


def control_values() -> dict[str, object]:
    """Return what the template of the controls needs."""
    controls = _controls()
    states = controls.states()
    faults = _in_order(by_fault({region: state.switches for region, state in states.items()}))
    known = [*WIRING_WORDS, *sorted({name for state in states.values() for name in state.wiring} - WIRING_WORDS.keys())]
    wiring = {name: {region: name in state.wiring for region, state in states.items()} for name in known}
    return {
        "controls": controls,
        "riders": controls.riders(),
        "most_riders": MOST_RIDERS,
        "faults": faults,
        "fault_words": FAULT_WORDS,
        "wiring": wiring if states else {},
        "wiring_words": WIRING_WORDS,
        "wiring_on": any(state.wiring for state in states.values()),
        "on": [(name, regions) for name, where in {**wiring, **faults}.items() if (regions := _where(where))],
        "restarts": sources().restarts.progress(),
        "open": request.args.get("open") == "1" or request.args.get("controls") == "open",
        "changes": list(sources().changes)[-3:][::-1],
    }


@views.get("/controls")
def controls() -> str:
    """Show the controls. A script asks for them again and again."""
    return str(controls_part())


def controls_part() -> Markup:
    """Return the controls as a part of a page."""
    text = render_template("controls_part.html", **control_values())
    return Markup(text)  # noqa: S704  # the template has escaped what is in it


@views.post("/riders")
def riders() -> Response:
    """Change how many riders there are."""
    text = request.form.get("riders", "")
    try:
        count = int(text)
    except ValueError:
        abort(400, f"{text!r} is not a number of riders: 0 to {MOST_RIDERS} is expected")
    _do(partial(_controls().set_riders, count))
    return redirect(url_for("trace_list.home", controls="open", _anchor="demo"), 303)


@views.post("/faults")
def faults() -> Response:
    """Switch a fault in one region."""
    name = request.form.get("fault", "")
    state, _, region = request.form.get("switch", "").partition(" ")
    if not name or state not in _STATES:
        abort(400, "a fault, a region, and on or off are needed")
    _do(partial(_controls().set_fault, name, region, state == _ON))
    sources().changes.append(Change(int(time.time()), f"{name} switched {state} in {region}", region))
    return redirect(url_for("trace_list.home", controls="open", _anchor="demo"), 303)


@views.post("/wiring")
def wiring() -> Response:
    """Switch a wiring fault in one region, which restarts it."""
    controls, name = _controls(), request.form.get("fault", "")
    state, _, region = request.form.get("switch", "").partition(" ")
    if name not in WIRING_WORDS or state not in _STATES or region not in controls.regions:
        abort(400, "a wiring fault, a region, and on or off are needed")
    restart = controls.restart
    if restart is None:
        abort(404, "the regions were not started by this page's program: set RIDESHARE_FAULTS where they start")
    found = sources()
    words = f"{name} switched {state} in {region}"
    failed = found.restarts.progress().get(region)
    before = controls.region_faults(region) or RegionFaults(wiring=failed.faults if failed else frozenset())

    def done() -> None:
        found.changes.append(Change(int(time.time()), words, region))

    _do(partial(found.restarts.begin, region, before.after(name, state == _ON), words, restart, done))
    return redirect(url_for("trace_list.home", controls="open", _anchor="demo"), 303)


def _where(states: dict[str, bool]) -> list[str]:
    return [region for region, on in states.items() if on]


def _in_order(faults: dict[str, dict[str, bool]]) -> dict[str, dict[str, bool]]:
    """Sort the faults: first those that the page has words for, in the order of the words."""
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
