"""A span that is linked by wall time is shown as one, and nowhere called CPU."""

from __future__ import annotations

import re

from flask.testing import FlaskClient

from spanprofiles.model import Endpoints, new_span_id
from tests.unit.conftest import push_samples
from tests.unit.ui.conftest import StoredRide, StoreRide

WALL = "wall:wall:nanoseconds:wall:nanoseconds"


def waited(pair: Endpoints, store_ride: StoreRide) -> StoredRide:
    """A request with 80 ms of wall time in its span profile, of a service that has CPU time without IDs too."""
    ride = store_ride(f"waits-{new_span_id()}")
    samples = [(("serve", "wait"), 80_000_000, {"span_id": ride.span_id})]
    push_samples(pair, ride.service, samples, ride.start_ns, WALL)
    push_samples(pair, ride.service, [(("idle",), 10_000_000, {})], ride.start_ns)
    return ride


def test_a_span_with_wall_time_is_linked_and_tells_what_grafana_needs(
    page: FlaskClient, embedded_pair: Endpoints, store_ride: StoreRide
) -> None:
    ride = waited(embedded_pair, store_ride)

    text = page.get(f"/trace/{ride.trace_id}").text

    assert "Profiles for this span" in text
    assert "80 ms of wall time" in text
    assert f"set profileTypeId to {WALL}" in text
    assert ">wait</text>" in text
    assert not re.search(r"of CPU|dead link", text)


def test_its_flame_graph_speaks_of_wall_time(
    page: FlaskClient, embedded_pair: Endpoints, store_ride: StoreRide
) -> None:
    ride = waited(embedded_pair, store_ride)

    text = page.get(ride.address).text

    assert "80 ms of wall time (8 samples, 40 to 160 ms) in" in text
    assert "The wall time of this one" in text
    assert "Functions with the most wall time of their own" in text
    assert "80 ms of wall time (8 samples, 40 to 160 ms). A box" in page.get(f"{ride.address}/flamegraph.svg").text


def test_in_the_list_it_is_linked_without_a_figure_of_cpu(
    page: FlaskClient, embedded_pair: Endpoints, store_ride: StoreRide
) -> None:
    ride = waited(embedded_pair, store_ride)

    text = page.get(f"/?service={ride.service}&linked=1").text

    assert ride.trace_id in text
    assert "80.0 ms" not in text


def test_a_span_with_cpu_time_needs_no_other_setting(page: FlaskClient, store_ride: StoreRide) -> None:
    ride = store_ride(f"computes-{new_span_id()}", {("serve", "search"): 80_000_000})

    text = page.get(f"/trace/{ride.trace_id}").text

    assert "80 ms of CPU" in text
    assert "profileTypeId" not in text
