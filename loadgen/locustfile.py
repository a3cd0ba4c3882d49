"""The riders, and the report of the slowest requests. Locust loads this file; see the package for how to run it."""

from __future__ import annotations

import logging
import random
import sys
from argparse import ArgumentParser
from typing import Any

import gevent
from locust import HttpUser, between, events, task, web
from locust.clients import ResponseContextManager
from locust.env import Environment
from locust.runners import WorkerRunner
from locust.web import WebUI

from loadgen.bad_requests import BAD_REQUESTS
from loadgen.page import Bounds, protect
from loadgen.regions import RegionUrl, ask_for_names, find_answering
from loadgen.settings import Settings, SettingsError
from loadgen.slowest import SlowestRequests, SlowRequest, format_table, write_report
from loadgen.traceparent import new_trace_parent

ANSWER_S = 30.0
"""How long a rider waits for an answer."""

FIGURES_S = 0.5
"""How old the figures of Locust's page may be; its own 2 s hide for as long that rides leave no trace."""

LATE_S = 3.0
"""After how long regions that may come later are looked for again."""

REGION_WITHOUT_CARS = "ap-south"
"""The region that forwards its car orders."""

_SLOWEST = "slowest"
_logger = logging.getLogger(__name__)

try:
    settings = Settings.from_environment()
except SettingsError as _error:
    sys.exit(f"loadgen: {_error}")

slowest = SlowestRequests(settings.slowest)
web.DEFAULT_CACHE_TIME = FIGURES_S


class Rider(HttpUser):
    """What all riders have in common: a region to ask, and a trace of its own for each request."""

    abstract = True
    host = settings.urls[0] if settings.urls else None
    regions: tuple[RegionUrl, ...] = ()

    def any_region(self) -> str:
        """Give the base URL of a region, picked at random."""
        return random.choice(Rider.regions).url  # noqa: S311 - variety, not a secret

    def ask(
        self, base_url: str, path: str, parameters: dict[str, str] | None = None, name: str | None = None
    ) -> ResponseContextManager:
        """Send a request with a sampled trace of its own.

        Use it in a ``with``, which tells Locust's statistics how it went: badly, unless it is marked a success.
        """
        parent = new_trace_parent()
        return self.client.get(
            f"{base_url}{path}",
            params=parameters or {},
            name=name or path,
            headers={"traceparent": parent.header},
            context={"trace_id": parent.trace_id},
            timeout=ANSWER_S,
            catch_response=True,
        )

    def order(self, base_url: str, path: str, parameters: dict[str, str] | None = None) -> str | None:
        """Order a ride and give its ID, None where there was no ride."""
        with self.ask(base_url, path, parameters) as response:
            if response.status_code != 200:
                return None  # Locust counts it as a failure
            ride_id = _json(response).get("ride_id")
            if not isinstance(ride_id, str):
                response.failure("the answer has no ride ID")
                return None
            return ride_id


def _json(response: ResponseContextManager) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


class BikeCommuter(Rider):
    """Takes a bike, again and again."""

    weight = 5
    wait_time = between(0.5, 2.0)

    @task
    def ride(self) -> None:
        """Order a bike."""
        self.order(self.any_region(), "/bike")


class ScooterRider(Rider):
    """Takes a scooter."""

    weight = 3
    wait_time = between(0.5, 2.5)

    @task
    def ride(self) -> None:
        """Order a scooter."""
        self.order(self.any_region(), "/scooter")


class CarFamily(Rider):
    """Takes a car for one to four people."""

    weight = 2
    wait_time = between(1.0, 4.0)

    @task
    def ride(self) -> None:
        """Order a car."""
        riders = random.randint(1, 4)  # noqa: S311 - variety, not a secret
        self.order(self.any_region(), "/car", {"riders": str(riders)})


class Traveller(Rider):
    """Wants a car where all are out, so that the order is forwarded to another region."""

    weight = 1
    wait_time = between(1.0, 4.0)

    @task
    def ride(self) -> None:
        """Order a car in the region without cars, or in any if that region is not among the URLs."""
        without_cars = [region.url for region in Rider.regions if region.name == REGION_WITHOUT_CARS]
        self.order(without_cars[0] if without_cars else self.any_region(), "/car")


class QuoteBrowser(Rider):
    """Compares prices and never rides."""

    weight = 2
    wait_time = between(0.2, 1.0)

    @task
    def compare(self) -> None:
        """Ask for a price."""
        vehicle = random.choice(("bike", "scooter", "car"))  # noqa: S311 - variety, not a secret
        with self.ask(self.any_region(), "/quote", {"vehicle": vehicle}) as response:
            if response.status_code == 200 and "price" not in _json(response):
                response.failure("the answer has no price")


class ReceiptReader(Rider):
    """Takes a bike and wants a receipt for it."""

    weight = 2
    wait_time = between(1.0, 3.0)

    @task
    def ride_and_read(self) -> None:
        """Order a bike, then ask for the receipt."""
        region = self.any_region()
        ride_id = self.order(region, "/bike")
        if ride_id is None:
            return
        with self.ask(region, f"/receipt/{ride_id}", name="/receipt/<ride_id>") as response:
            if response.status_code == 200 and _json(response).get("ride_id") != ride_id:
                response.failure("the receipt is for another ride")


class CarelessRider(Rider):
    """Sends requests that must be refused with a 400 that names the parameter."""

    weight = 1
    wait_time = between(2.0, 6.0)

    @task
    def slip(self) -> None:
        """Send a bad request."""
        bad = random.choice(BAD_REQUESTS)  # noqa: S311 - variety, not a secret
        with self.ask(self.any_region(), bad.path, bad.parameters, name=f"{bad.path} (bad request)") as response:
            error = _json(response).get("error")
            named = error.get("parameter") if isinstance(error, dict) else None
            if response.status_code != 400:
                response.failure(f"a bad {bad.culprit} must get a 400, not {response.status_code}")
            elif named != bad.culprit:
                response.failure(f"the error must name {bad.culprit}, not {named}")
            else:
                response.success()


def listen_on_loopback(parser: ArgumentParser, **_: Any) -> None:
    """Bind Locust's page and its master to 127.0.0.1, unless the command line says otherwise."""
    parser.set_defaults(web_host="127.0.0.1", master_bind_host="127.0.0.1")


def guard_page(environment: Environment, web_ui: WebUI | None, **_: Any) -> None:
    """Let other sites do nothing with Locust's page, and nobody start a load without bounds."""
    if web_ui is None or web_ui.app is None:
        return
    options = environment.parsed_options
    asked_for = getattr(options, "num_users", None) or 0  # who may write the command line may have more riders
    given = getattr(options, "host", None)
    urls = settings.urls or ((given.rstrip("/"),) if given else ())
    hosts = [*settings.page_hosts, web_ui.host] if web_ui.host else settings.page_hosts
    protect(web_ui.app, Bounds(max(settings.most_riders, asked_for), frozenset(urls)), hosts)


def welcome_late_regions() -> None:
    """Let riders ask the regions that may come later as well, each from when it answers on."""
    missing = set(settings.more_urls)
    while missing:
        came = find_answering(sorted(missing))
        Rider.regions += came
        missing -= {region.url for region in came}
        gevent.sleep(LATE_S)


def watch(environment: Environment, **_: Any) -> None:
    """Collect the slowest requests of this process, or of all workers, and report them at the end."""
    welcoming: list[Any] = []

    def begin(**_: Any) -> None:
        slowest.clear()
        urls = settings.urls or ((environment.host.rstrip("/"),) if environment.host else ())
        gevent.killall(welcoming)
        Rider.regions = ask_for_names(urls)
        welcoming[:] = [gevent.spawn(welcome_late_regions)]

    def report(**_: Any) -> None:
        if not isinstance(environment.runner, WorkerRunner):
            _report()

    hooks: Any = environment.events  # Locust gives their methods no types
    hooks.test_start.add_listener(begin)
    hooks.request.add_listener(_note)
    hooks.report_to_master.add_listener(_hand_over)
    hooks.worker_report.add_listener(_take_over)
    # `quit` is the last event of all: the workers have sent their last reports by then.
    hooks.quit.add_listener(report)


def _note(
    name: str, response_time: float, response: Any, context: dict[str, Any], start_time: float, url: str, **_: Any
) -> None:
    if "trace_id" in context:
        status = getattr(response, "status_code", None) or 0
        slowest.add(SlowRequest(response_time, context["trace_id"], name, url, status, start_time))


def _hand_over(data: dict[str, Any], **_: Any) -> None:
    data[_SLOWEST] = [request.to_message() for request in slowest.take()]


def _take_over(client_id: str, data: dict[str, Any], **_: Any) -> None:
    try:
        slowest.add_all([SlowRequest.from_message(message) for message in data.get(_SLOWEST, [])])
    except ValueError as error:
        _logger.warning("worker %s: %s", client_id, error)


def _report() -> None:
    requests = slowest.slowest_first()
    sys.stdout.write(f"{format_table(requests)}\n")
    sys.stdout.flush()
    if settings.report is not None:
        try:
            write_report(settings.report, requests)
        except OSError as error:
            _logger.error("the report cannot be written to %s: %s", settings.report, error)  # noqa: TRY400 - no trace


_hooks: Any = events  # Locust gives their methods no types
_hooks.init_command_line_parser.add_listener(listen_on_loopback)
_hooks.init.add_listener(guard_page)
_hooks.init.add_listener(watch)
