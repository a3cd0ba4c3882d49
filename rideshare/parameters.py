"""Reading an order from a request's query string and headers.

Strict, so that a slip is noticed: a parameter the route does not know, one given twice, one without a value, and half
a position are errors, each naming the parameter.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NoReturn

from werkzeug.datastructures import Headers, MultiDict

from rideshare.fleet import CAPACITY
from rideshare.forwarding import HOPS_HEADER, MOST_HOPS
from rideshare.geography import Position
from rideshare.orders import Order
from rideshare.regions import Region, VehicleKind

SERVICE_DEGREES = 0.25
"""A rider must be within this many degrees of latitude and longitude of the city's centre."""

_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_LONGEST_VALUE_SHOWN = 40


class ParameterError(ValueError):
    """A parameter cannot be used.

    Attributes:
        parameter: Its name.
    """

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(message)
        self.parameter = parameter


def read_order(region: Region, kind: VehicleKind, query: MultiDict[str, str], headers: Headers) -> Order:
    """Read an order for a kind of vehicle: ``lat``, ``lon``, ``riders``, and the header that counts the hops.

    Raises:
        ParameterError: Something in it cannot be used.
    """
    _check_names(query, known=("lat", "lon", "riders"))
    return Order(kind, _read_rider(region, query), _read_riders(kind, query), _read_hops(headers))


def read_quote(region: Region, query: MultiDict[str, str]) -> Order:
    """Read what to quote a price for: ``vehicle`` (required), ``lat``, ``lon``, ``riders``.

    Raises:
        ParameterError: Something in it cannot be used.
    """
    _check_names(query, known=("vehicle", "lat", "lon", "riders"))
    kinds = {kind.value: kind for kind in VehicleKind}
    if "vehicle" not in query:
        raise ParameterError("vehicle", f"is missing; give one of {', '.join(kinds)}")
    if query["vehicle"] not in kinds:
        _reject("vehicle", query["vehicle"], f"must be one of {', '.join(kinds)}")
    kind = kinds[query["vehicle"]]
    return Order(kind, _read_rider(region, query), _read_riders(kind, query))


def check_no_parameters(query: MultiDict[str, str]) -> None:
    """Make sure that a route without parameters was given none.

    Raises:
        ParameterError: There is one.
    """
    _check_names(query, known=())


def _reject(parameter: str, value: str, problem: str) -> NoReturn:
    shown = value if len(value) <= _LONGEST_VALUE_SHOWN else f"{value[:_LONGEST_VALUE_SHOWN]}..."
    raise ParameterError(parameter, f"{problem}, not '{shown}'")


def _check_names(query: MultiDict[str, str], known: Collection[str]) -> None:
    for name, values in query.lists():
        if name not in known:
            expected = f"known are {', '.join(known)}" if known else "this route has none"
            raise ParameterError(name[:_LONGEST_VALUE_SHOWN], f"is not a parameter; {expected}")
        if len(values) > 1:
            raise ParameterError(name, f"is given {len(values)} times; give it once")


def _read_rider(region: Region, query: MultiDict[str, str]) -> Position:
    if "lat" not in query and "lon" not in query:
        return region.pick_up
    for name, other in (("lat", "lon"), ("lon", "lat")):
        if name not in query:
            raise ParameterError(name, f"is missing; give it together with {other}, or neither")
    return Position(
        _read_degrees(query, "lat", region.centre.latitude, region),
        _read_degrees(query, "lon", region.centre.longitude, region),
    )


def _read_degrees(query: MultiDict[str, str], name: str, middle: float, region: Region) -> float:
    value = query[name]
    if not _NUMBER.fullmatch(value):
        _reject(name, value, "must be a number of degrees")
    degrees = float(value)
    lowest, highest = middle - SERVICE_DEGREES, middle + SERVICE_DEGREES
    if not lowest <= degrees <= highest:
        _reject(name, value, f"must be from {lowest:.4f} to {highest:.4f}, which is in or near {region.city}")
    return degrees


def _read_riders(kind: VehicleKind, query: MultiDict[str, str]) -> int:
    if "riders" not in query:
        return 1
    value = query["riders"]
    if not re.fullmatch(r"[0-9]{1,9}", value) or int(value) < 1:
        _reject("riders", value, "must be a whole number from 1")
    if int(value) > CAPACITY[kind]:
        _reject("riders", value, f"must be at most {CAPACITY[kind]} for a {kind.value}")
    return int(value)


def _read_hops(headers: Headers) -> int:
    value = headers.get(HOPS_HEADER, "0")
    if not re.fullmatch(r"[0-9]", value) or int(value) > MOST_HOPS:
        _reject(HOPS_HEADER, value, f"must be a whole number from 0 to {MOST_HOPS}")
    return int(value)
