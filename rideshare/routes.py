"""The HTTP side of the app.

| request | answer |
|---|---|
| ``GET /bike``, ``/scooter``, ``/car`` with optional ``lat``, ``lon``, ``riders`` | a ride; 503 where there is none |
| ``GET /quote?vehicle=bike`` with optional ``lat``, ``lon``, ``riders`` | an estimated price |
| ``GET /receipt/<ride_id>`` | what was paid, once the payment gateway has answered |
| ``GET /health`` | region, version, ready |

Every answer is JSON. Errors are ``{"error": {"message": ...}}``, with ``"parameter"`` in it where one is to blame.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, current_app, request
from werkzeug.exceptions import HTTPException

from rideshare import __version__
from rideshare.forwarding import NoRideError
from rideshare.orders import City, current_trace_id, order_ride, pay_for_ride, quote_ride
from rideshare.parameters import ParameterError, check_no_parameters, read_order, read_quote
from rideshare.regions import VehicleKind

CITY_EXTENSION = "rideshare"
"""Where ``Flask.extensions`` keeps the app's ``City``."""

Answer = dict[str, Any] | tuple[dict[str, Any], int]

routes = Blueprint("rideshare", __name__)


def _city() -> City:
    city: City = current_app.extensions[CITY_EXTENSION]
    return city


@routes.get("/bike")
def bike() -> Answer:
    """Order a bike."""
    city = _city()
    return order_ride(city, read_order(city.region, VehicleKind.BIKE, request.args, request.headers))


@routes.get("/scooter")
def scooter() -> Answer:
    """Order a scooter."""
    city = _city()
    return order_ride(city, read_order(city.region, VehicleKind.SCOOTER, request.args, request.headers))


@routes.get("/car")
def car() -> Answer:
    """Order a car with its driver."""
    city = _city()
    return order_ride(city, read_order(city.region, VehicleKind.CAR, request.args, request.headers))


@routes.get("/quote")
def quote() -> Answer:
    """Estimate a price."""
    city = _city()
    return quote_ride(city, read_quote(city.region, request.args))


@routes.get("/receipt/<ride_id>")
def receipt(ride_id: str) -> Answer:
    """Give a ride's receipt."""
    check_no_parameters(request.args)
    city = _city()
    ride = city.rides.find(ride_id)
    if ride is None:
        return {"error": {"parameter": "ride_id", "message": f"{city.region.name} knows no such ride"}}, 404
    payment = pay_for_ride(city, ride)
    return {
        "ride_id": ride_id,
        "payment": payment.reference,
        "price": {"amount": payment.amount, "currency": payment.currency},
        "region": city.region.name,
        "trace_id": current_trace_id(),
    }


@routes.get("/health")
def health() -> Answer:
    """Say that the app is there."""
    return {"region": _city().region.name, "version": __version__, "ready": True}


def _bad_parameter(error: ParameterError) -> Answer:
    return {"error": {"parameter": error.parameter, "message": f"{error.parameter} {error}"}}, 400


def _no_ride(error: NoRideError) -> Answer:
    return {"error": {"message": str(error)}}, 503


def _http_error(error: HTTPException) -> Any:
    response = error.get_response()
    is_own = error.description != type(error).description  # not the library's words
    message = error.description if is_own else f"{request.method} {request.path}: {error.name}"
    response.data = current_app.json.dumps({"error": {"message": message}})
    response.content_type = "application/json"
    return response


def install_routes(app: Flask) -> None:
    """Give an app the routes of this module, and JSON for every error."""
    app.register_blueprint(routes)
    app.register_error_handler(ParameterError, _bad_parameter)
    app.register_error_handler(NoRideError, _no_ride)
    app.register_error_handler(HTTPException, _http_error)
