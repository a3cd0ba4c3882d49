"""An order from the search for a vehicle to the answer: the domain's functions in sequence, each in a span.

The spans are made here and not in the domain modules, which know nothing of tracing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from opentelemetry import trace

from rideshare.drivers import Driver, build_drivers, check_driver
from rideshare.faults.slow_code import SLOW_GATEWAY_S, confirm_with_dispatcher, drop_repeated_vehicles
from rideshare.faults.switches import Switches
from rideshare.fleet import SearchResult, Vehicle, build_fleet, find_nearest_vehicle
from rideshare.forwarding import MOST_HOPS, Neighbour, NoRideError, choose_neighbour, forward_order
from rideshare.geography import Position, great_circle_km
from rideshare.payments import Payment, await_payment
from rideshare.pricing import Price, calculate_price
from rideshare.regions import Region, VehicleKind
from rideshare.rides import Ride, RideStore, make_ride_id
from rideshare.road_map import RoadMap, Route, build_road_map, plan_route
from rideshare.settings import Settings

TYPICAL_DETOUR = 1.35
"""How many times longer than the great circle a ride through a city is; for quotes, which plan no route."""

_tracer = trace.get_tracer("rideshare")


@dataclass(frozen=True)
class Order:
    """What a rider asks for.

    Attributes:
        kind: The kind of vehicle.
        rider: Where the rider stands.
        riders: How many people ride.
        hops: How many times the order was forwarded before it came here.
    """

    kind: VehicleKind
    rider: Position
    riders: int
    hops: int = 0


@dataclass(frozen=True)
class City:
    """A region in service: its vehicles, roads and drivers, the rides it remembers, and what is broken on purpose."""

    settings: Settings
    fleet: dict[VehicleKind, tuple[Vehicle, ...]]
    road_map: RoadMap
    drivers: tuple[Driver, ...]
    switches: Switches
    rides: RideStore = field(default_factory=RideStore)

    @property
    def region(self) -> Region:
        """Which region this is."""
        return self.settings.region


def open_city(settings: Settings) -> City:
    """Draw a region's vehicles, roads and drivers; takes some tens of milliseconds."""
    region, seed = settings.region, settings.seed
    return City(
        settings,
        build_fleet(region, seed),
        build_road_map(region, seed),
        build_drivers(region, seed),
        Switches(settings.faults),
    )


def order_ride(city: City, order: Order) -> dict[str, Any]:
    """Order a ride, here or at the neighbour's; gives the answer for the rider.

    Raises:
        NoRideError: No vehicle is free here, and the neighbour has none or cannot be asked.
    """
    found = _search(city, order)
    vehicle = found.nearest
    if vehicle is None:
        return _order_at_neighbour(city, order, f"{city.region.name} has no free {order.kind.value}")
    driver = None
    if order.kind is VehicleKind.CAR:
        driver = city.drivers[sum(vehicle.identifier.encode()) % len(city.drivers)]
        if not _check(driver):
            return _order_at_neighbour(city, order, f"the driver of {vehicle.identifier} may not drive")
    route = _plan(city, order)
    price = _price(city, order, route, found)
    if city.switches.is_on("lock-contention"):
        with _tracer.start_as_current_span("confirm_with_dispatcher"):
            confirm_with_dispatcher()
    answer: dict[str, Any] = {
        "ride_id": make_ride_id(city.region.name),
        "vehicle": {"kind": order.kind.value, "id": vehicle.identifier},
        "distance_km": round(found.distance_km, 3),
        "route_km": round(route.length_km, 3),
        "destination": city.region.destination_name,
        "riders": order.riders,
        "price": {"amount": price.amount, "currency": price.currency},
        "region": city.region.name,
        "asked_in": city.region.name,
        "trace_id": current_trace_id(),
    }
    if driver is not None:
        answer["driver"] = driver.name
    city.rides.add(Ride(answer["ride_id"], answer))
    return answer


def quote_ride(city: City, order: Order) -> dict[str, Any]:
    """Estimate what a ride costs, from the distance alone: no vehicle is looked for, no route planned."""
    route_km = TYPICAL_DETOUR * great_circle_km(order.rider, city.region.destination)
    price = calculate_price(city.region, order.kind, route_km, order.riders, city.region.share_out[order.kind])
    return {
        "vehicle": {"kind": order.kind.value},
        "route_km": round(route_km, 1),
        "destination": city.region.destination_name,
        "riders": order.riders,
        "price": {"amount": price.amount, "currency": price.currency},
        "region": city.region.name,
        "trace_id": current_trace_id(),
    }


def pay_for_ride(city: City, ride: Ride) -> Payment:
    """Wait for the payment gateway's word about a ride."""
    with _tracer.start_as_current_span("await_payment") as span:
        price = ride.answer["price"]
        seconds = SLOW_GATEWAY_S if city.switches.is_on("slow-gateway") else city.settings.gateway_seconds
        payment = await_payment(ride.ride_id, price["amount"], price["currency"], seconds)
        span.set_attribute("payment.reference", payment.reference)
    return payment


def current_trace_id() -> str | None:
    """Give the current trace's ID in 32 hexadecimal digits, None where nothing is traced."""
    span_context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(span_context.trace_id) if span_context.is_valid else None


def _search(city: City, order: Order) -> SearchResult:
    with _tracer.start_as_current_span("find_nearest_vehicle") as span:
        vehicles: Sequence[Vehicle] = city.fleet[order.kind]
        if city.switches.is_on("slow-search"):
            vehicles = drop_repeated_vehicles(vehicles)
        found = find_nearest_vehicle(vehicles, order.rider)
        span.set_attribute("vehicle.kind", order.kind.value)
        span.set_attribute("vehicles.examined", found.examined)
        span.set_attribute("vehicles.free", found.free)
        if found.nearest is not None:
            span.set_attribute("vehicle.id", found.nearest.identifier)
            span.set_attribute("vehicle.distance_km", found.distance_km)
    return found


def _check(driver: Driver) -> bool:
    with _tracer.start_as_current_span("check_driver") as span:
        checked = check_driver(driver)
        span.set_attribute("driver.name", driver.name)
        span.set_attribute("driver.trips", checked.trips)
        span.set_attribute("driver.harsh_trips", checked.harsh_trips)
        span.set_attribute("driver.may_drive", checked.may_drive)
    return checked.may_drive


def _plan(city: City, order: Order) -> Route:
    with _tracer.start_as_current_span("plan_route") as span:
        route = plan_route(city.road_map, order.rider, city.region.destination)
        span.set_attribute("route.km", route.length_km)
        span.set_attribute("route.junctions", len(route.junctions))
        span.set_attribute("route.junctions_expanded", route.expanded)
    return route


def _price(city: City, order: Order, route: Route, found: SearchResult) -> Price:
    with _tracer.start_as_current_span("calculate_price") as span:
        price = calculate_price(city.region, order.kind, route.length_km, order.riders, found.demand)
        span.set_attribute("price.amount", price.amount)
        span.set_attribute("price.currency", price.currency)
        span.set_attribute("price.demand", found.demand)
        span.set_attribute("price.surcharge", price.surcharge)
    return price


def _order_at_neighbour(city: City, order: Order, reason: str) -> dict[str, Any]:
    settings = city.settings
    if settings.neighbour_url is None and settings.preferred_neighbour_url is None:
        raise NoRideError(f"{reason}, and no neighbouring region is known")
    if order.hops >= MOST_HOPS:
        raise NoRideError(f"{reason}, and the order was forwarded {order.hops} times already")
    url = choose_neighbour(settings.neighbour_url, settings.preferred_neighbour_url)
    if url is None:
        raise NoRideError(f"{reason}, and no neighbouring region is there")
    neighbour = Neighbour(url, settings.neighbour_timeout_seconds)
    # What the neighbour could not do is in the message and in the status of the request's own span.
    with _tracer.start_as_current_span("forward_order", record_exception=False) as span:
        span.set_attribute("forward.reason", reason)
        span.set_attribute("forward.hops", order.hops + 1)
        try:
            answer = forward_order(neighbour, order.kind.value, order.riders, order.hops)
        except NoRideError as error:
            raise NoRideError(f"{reason}, and {error}") from error
        span.set_attribute("forward.region", str(answer.get("region")))
    forwarded = {**answer, "asked_in": city.region.name}
    city.rides.add(Ride(forwarded["ride_id"], forwarded))
    return forwarded
