from __future__ import annotations

import socket
from threading import Event, Thread

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from rideshare.app import create_app
from rideshare.forwarding import HOPS_HEADER, Neighbour, NoRideError, choose_neighbour, forward_order
from rideshare.regions import REGIONS
from rideshare.routes import CITY_EXTENSION
from rideshare.settings import Settings
from spanprofiles.backends.ports import free_ports

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("path", ["/bike", "/scooter", "/car"])
def test_an_order_gets_a_ride(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    ride = response.json
    assert ride is not None
    assert ride["ride_id"].startswith("eu-north-")
    assert ride["vehicle"]["kind"] == path[1:]
    assert 0.0 < ride["distance_km"] < 1.0
    assert ride["route_km"] > 1.0
    assert ride["price"]["amount"] > 0
    assert ride["price"]["currency"] == "SEK"
    assert (ride["region"], ride["asked_in"]) == ("eu-north", "eu-north")
    assert ("driver" in ride) == (path == "/car")
    assert ride["trace_id"] is None  # nothing traces this app


def test_the_same_order_gets_the_same_vehicle_route_and_price_and_another_ride_id(client: FlaskClient) -> None:
    one, other = (client.get("/bike?lat=59.32&lon=18.06").json for _ in range(2))
    assert one is not None
    assert other is not None
    assert one.pop("ride_id") != other.pop("ride_id")
    assert one == other


def test_another_position_gets_another_vehicle(client: FlaskClient) -> None:
    one, other = (client.get(f"/bike?lat={latitude}&lon=18.06").json for latitude in (59.32, 59.34))
    assert one is not None
    assert other is not None
    assert one["vehicle"] != other["vehicle"]


def test_a_car_for_four_costs_more_than_for_one(client: FlaskClient) -> None:
    one, four = (client.get(f"/quote?vehicle=car&riders={riders}").json for riders in (1, 4))
    assert one is not None
    assert four is not None
    assert four["riders"] == 4
    assert four["price"]["amount"] > one["price"]["amount"]


@pytest.mark.parametrize(
    ("path", "parameter", "words"),
    [
        ("/bike?lat=north&lon=18", "lat", "must be a number of degrees, not 'north'"),
        ("/bike?lat=nan&lon=18", "lat", "must be a number of degrees"),
        ("/bike?lat=59.3&lon=inf", "lon", "must be a number of degrees"),
        ("/bike?lat=1e999&lon=18", "lat", "must be from"),
        ("/bike?lat=59_3&lon=18", "lat", "must be a number of degrees"),
        ("/bike?lat=%D9%A5%D9%A9&lon=18", "lat", "must be a number of degrees"),
        ("/bike?lat=&lon=18", "lat", "must be a number of degrees"),
        ("/bike?lat=91&lon=18", "lat", "in or near Stockholm"),
        ("/bike?lat=59.3&lon=-74", "lon", "in or near Stockholm"),
        ("/bike?lat=59.3", "lon", "is missing"),
        ("/bike?lon=18", "lat", "is missing"),
        ("/bike?lat=59.3&lat=59.4&lon=18", "lat", "is given 2 times"),
        ("/bike?colour=red", "colour", "known are lat, lon, riders"),
        ("/bike?riders=2", "riders", "at most 1 for a bike"),
        ("/scooter?riders=2", "riders", "at most 1 for a scooter"),
        ("/car?riders=5", "riders", "at most 4 for a car"),
        ("/car?riders=0", "riders", "a whole number from 1"),
        ("/car?riders=-1", "riders", "a whole number from 1"),
        ("/car?riders=1.5", "riders", "a whole number from 1"),
        ("/car?riders=", "riders", "a whole number from 1"),
        ("/car?riders=" + "9" * 5000, "riders", "99..."),
        ("/quote", "vehicle", "is missing"),
        ("/quote?vehicle=boat", "vehicle", "one of bike, scooter, car"),
        ("/quote?vehicle=bike&riders=2", "riders", "at most 1"),
        ("/receipt/x?verbose=1", "verbose", "this route has none"),
    ],
)
def test_bad_input_is_a_400_that_names_the_parameter(
    client: FlaskClient, path: str, parameter: str, words: str
) -> None:
    response = client.get(path)
    assert response.status_code == 400
    assert response.json is not None
    error = response.json["error"]
    assert error["parameter"] == parameter
    assert error["message"].startswith(parameter)
    assert words in error["message"]
    assert len(error["message"]) < 200


@pytest.mark.parametrize(
    "path", ["/bike?lat=59.3293&lon=18.0686", "/car?riders=4", "/bike?riders=1", "/bike?lat=%2B59.3e0&lon=18."]
)
def test_good_input_is_no_400(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 200


def test_a_bad_hop_count_names_the_header(client: FlaskClient) -> None:
    response = client.get("/car", headers={HOPS_HEADER: "many"})
    assert response.status_code == 400
    assert response.json is not None
    assert response.json["error"]["parameter"] == HOPS_HEADER


def test_a_receipt_is_for_the_ride_that_was_ordered(client: FlaskClient) -> None:
    ride = client.get("/bike").json
    assert ride is not None
    receipt = client.get(f"/receipt/{ride['ride_id']}")
    assert receipt.status_code == 200
    assert receipt.json is not None
    assert receipt.json["ride_id"] == ride["ride_id"]
    assert receipt.json["price"] == ride["price"]
    assert receipt.json["region"] == "eu-north"


def test_an_unknown_ride_is_a_404(client: FlaskClient) -> None:
    response = client.get("/receipt/eu-north-0")
    assert response.status_code == 404
    assert response.json == {"error": {"parameter": "ride_id", "message": "eu-north knows no such ride"}}


def test_a_quote_is_near_the_price_of_the_ride(client: FlaskClient) -> None:
    quote, ride = client.get("/quote?vehicle=bike").json, client.get("/bike").json
    assert quote is not None
    assert ride is not None
    assert quote["price"]["amount"] == pytest.approx(ride["price"]["amount"], rel=0.5)
    assert "ride_id" not in quote


@pytest.mark.parametrize("kind", ["bike", "scooter", "car"])
def test_every_kind_has_a_quote(client: FlaskClient, kind: str) -> None:
    quote = client.get(f"/quote?vehicle={kind}").json
    assert quote is not None
    assert quote["vehicle"] == {"kind": kind}


def test_health_says_region_version_and_ready(client: FlaskClient) -> None:
    assert client.get("/health").json == {"region": "eu-north", "version": "0.1.0", "ready": True}


def test_an_unknown_path_is_a_404_in_json(client: FlaskClient) -> None:
    response = client.get("/plane")
    assert response.status_code == 404
    assert response.json is not None
    assert response.json["error"]["message"]


def test_a_wrong_method_is_a_405_in_json_that_says_which_are_allowed(client: FlaskClient) -> None:
    response = client.post("/bike")
    assert response.status_code == 405
    assert response.json is not None
    assert "GET" in response.headers["Allow"]


def test_a_mistake_of_the_apps_own_is_a_500_in_json_without_its_traceback() -> None:
    app = create_app(Settings())
    app.extensions[CITY_EXTENSION] = None
    response = app.test_client().get("/health")
    assert response.status_code == 500
    assert response.json is not None
    assert "NoneType" not in response.text


def test_a_region_without_cars_and_neighbour_answers_503_and_says_so(ap_south: Flask) -> None:
    response = ap_south.test_client().get("/car")
    assert response.status_code == 503
    assert response.json == {"error": {"message": "ap-south has no free car, and no neighbouring region is known"}}
    assert ap_south.test_client().get("/bike").status_code == 200


def south_with_neighbour(url: str, timeout_seconds: float = 60.0) -> FlaskClient:
    settings = Settings(
        region=REGIONS["ap-south"], neighbour_url=url, neighbour_timeout_seconds=timeout_seconds, gateway_seconds=0.0
    )
    return create_app(settings).test_client()


class ServedApp:
    """A WSGI app on a port of its own, for as long as a `with` lasts."""

    def __init__(self, app: object) -> None:
        self._server = make_server("127.0.0.1", 0, app, threaded=True)  # type: ignore[arg-type] # any WSGI callable
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> str:
        self._thread.start()
        return self.url

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def test_a_forwarded_ride_says_who_serves_it_and_who_was_asked_and_both_know_it(eu_north: Flask) -> None:
    with ServedApp(eu_north) as url:
        south = south_with_neighbour(url)
        response = south.get("/car?riders=3&lat=18.95&lon=72.83")
        ride = response.json
    assert response.status_code == 200
    assert ride is not None
    assert (ride["region"], ride["asked_in"], ride["riders"]) == ("eu-north", "ap-south", 3)
    assert ride["ride_id"].startswith("eu-north-")
    for client in (south, eu_north.test_client()):
        assert client.get(f"/receipt/{ride['ride_id']}").status_code == 200


def test_an_order_that_no_region_can_serve_goes_round_at_most_twice() -> None:
    (port,) = free_ports(1)
    settings = Settings(
        region=REGIONS["ap-south"], neighbour_url=f"http://127.0.0.1:{port}", neighbour_timeout_seconds=60.0
    )
    app = create_app(settings)
    hops: list[str] = []
    inner = app.wsgi_app

    def counting(environ: dict[str, str], start_response: object) -> object:
        hops.append(environ.get("HTTP_X_RIDESHARE_HOPS", "0"))
        return inner(environ, start_response)  # type: ignore[arg-type] # passed on as it came

    server = make_server("127.0.0.1", port, counting, threaded=True)  # type: ignore[arg-type] # a WSGI callable
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        response = app.test_client().get("/car")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert response.status_code == 503
    assert hops == ["1", "2"]
    assert response.json is not None
    assert "was forwarded 2 times already" in response.json["error"]["message"]


def test_an_unreachable_neighbour_is_a_503_that_says_so(dead_url: str) -> None:
    response = south_with_neighbour(dead_url).get("/car")
    assert response.status_code == 503
    assert response.json is not None
    assert response.json["error"]["message"].endswith("and the neighbouring region cannot be reached")


def test_a_neighbour_that_does_not_answer_is_given_up_after_the_time_out() -> None:
    given_up = Event()

    @Request.application
    def silent(_: Request) -> Response:
        given_up.wait(10)
        return Response("late")

    with ServedApp(silent) as url:
        try:
            response = south_with_neighbour(url, timeout_seconds=0.1).get("/car")
        finally:
            given_up.set()
    assert response.status_code == 503
    assert response.json is not None
    assert response.json["error"]["message"].endswith("did not answer in 0.1 s")


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (500, '{"error": {"message": "oops"}}', "no ride (status 500)"),
        (200, "<html>", "not JSON"),
        (200, "[]", "no ride (status 200)"),
        (200, '{"ride_id": 7}', "no ride (status 200)"),
        (302, "{}", "no ride (status 302)"),
        (503, '{"error": {"message": "us-east has no free car"}}', "(us-east has no free car)"),
        (503, "[]", "has no ride either"),
    ],
)
def test_a_neighbour_that_gives_no_ride_is_no_ride_with_the_reason(status: int, body: str, words: str) -> None:
    @Request.application
    def neighbour(_: Request) -> Response:
        return Response(body, status=status)

    with ServedApp(neighbour) as url, pytest.raises(NoRideError) as caught:
        forward_order(Neighbour(url, timeout_seconds=5.0), "car", riders=1, hops=0)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("usual", "preferred", "chosen"),
    [
        ("http://127.0.0.1:1", "http://localhost:2", "http://localhost:2"),
        ("http://127.0.0.1:1", "http://nobody.invalid:2", "http://127.0.0.1:1"),
        ("http://127.0.0.1:1", f"http://{'x' * 64}:2", "http://127.0.0.1:1"),
        ("http://127.0.0.1:1", None, "http://127.0.0.1:1"),
        (None, "http://localhost:2", "http://localhost:2"),
        (None, "http://nobody.invalid:2", None),
        (None, None, None),
    ],
)
def test_orders_go_to_the_preferred_neighbour_while_its_name_is_known(
    usual: str | None, preferred: str | None, chosen: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look_up(host: str, port: object) -> list[object]:
        if host != "localhost":
            raise UnicodeError("label too long") if len(host) > 63 else socket.gaierror(-2, "Name or service not known")
        return [port]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)

    assert choose_neighbour(usual, preferred) == chosen


def test_without_a_preferred_neighbour_no_name_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: pytest.fail("a name was looked up"))

    assert choose_neighbour("http://eu-north:5000", None) == "http://eu-north:5000"


def test_a_region_whose_only_neighbour_is_not_there_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(*_: object) -> list[object]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    lonely = create_app(Settings(region=REGIONS["ap-south"], preferred_neighbour_url="http://us-west:5000"))

    answer = lonely.test_client().get("/car")

    assert answer.status_code == 503
    assert answer.get_json()["error"]["message"] == "ap-south has no free car, and no neighbouring region is there"


def test_nothing_of_the_environment_is_shown(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYROSCOPE_BASIC_AUTH_PASSWORD", "hunter2")
    for path in ("/bike", "/health", "/plane", "/bike?lat=PYROSCOPE_BASIC_AUTH_PASSWORD&lon=1", "/quote?vehicle=car"):
        assert "hunter2" not in client.get(path).text
