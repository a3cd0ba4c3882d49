"""Turning code faults on and off while a region runs.

| request | answer |
|---|---|
| ``GET /admin/faults`` | its faults: ``{"region": "us-east", "faults": {"slow-search": false, ...}, "wiring": []}`` |
| ``POST /admin/faults/<name>`` with ``{"on": true}`` or ``{"on": false}`` | the same, after the change |

Each needs the header ``X-Rideshare-Admin`` with the token of the variable ``RIDESHARE_ADMIN_TOKEN``; 403 without it.
Where that variable is not set these routes do not exist. They leave no spans. A switch is of one process: a region has
one worker. ``wiring`` lists the faults that were set at start and cannot be switched.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import Any

from flask import Blueprint, Flask, current_app, request
from werkzeug.exceptions import Forbidden

from rideshare.faults import CODE_FAULTS, WIRING_FAULTS
from rideshare.orders import City
from rideshare.parameters import ParameterError, check_no_parameters

TOKEN_HEADER = "X-Rideshare-Admin"  # noqa: S105 - a header's name
"""The header in which the token comes."""

UNTRACED_URLS = r"^https?://[^/?]+/admin/"
"""Requests that make no span."""

LONGEST_BODY = 1000
"""How many bytes a request may have."""

_CITY = "rideshare-admin"


def install_admin(app: Flask, city: City) -> None:
    """Give an app the routes of this module, if a token is set."""
    if city.settings.admin_token is not None:
        app.extensions[_CITY] = city
        app.register_blueprint(_admin)


_admin = Blueprint("admin", __name__, url_prefix="/admin")


def _city() -> City:
    city: City = current_app.extensions[_CITY]
    return city


@_admin.before_request
def _check_token() -> None:
    given = request.headers.get(TOKEN_HEADER, "")
    if not compare_digest(given.encode(), (_city().settings.admin_token or "").encode()):
        raise Forbidden(f"the header {TOKEN_HEADER} must hold the token this region was started with")
    check_no_parameters(request.args)


@_admin.get("/faults")
def show_faults() -> dict[str, Any]:
    """Say which faults are on."""
    city = _city()
    return {
        "region": city.region.name,
        "faults": city.switches.states(),
        "wiring": [name for name in WIRING_FAULTS if name in city.settings.faults],
    }


@_admin.post("/faults/<name>")
def switch_fault(name: str) -> dict[str, Any] | tuple[dict[str, Any], int]:
    """Turn a fault on or off."""
    if name in WIRING_FAULTS:
        return _unknown(f"{name} can only be set when a region starts, by RIDESHARE_FAULTS"), 404
    if name not in CODE_FAULTS:
        return _unknown(f"there is no such fault; known are {', '.join(CODE_FAULTS)}"), 404
    _city().switches.switch(name, on=_read_on())
    return show_faults()


def _unknown(message: str) -> dict[str, Any]:
    return {"error": {"parameter": "name", "message": message}}


def _read_on() -> bool:
    request.max_content_length = LONGEST_BODY
    body = request.get_json(force=True, silent=True)
    match body:
        case {"on": bool(on), **others} if not others:
            return on
        case _:
            raise ParameterError("on", 'must come as the whole body: {"on": true} or {"on": false}')
