"""The regions of the city in each language, and what differs among them: the table that the documentation shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, reduce
from operator import add
from pathlib import Path
from typing import NamedTuple

import pytest

from spanprofiles.demo.fleet import FleetRegion, go_region, java_region
from spanprofiles.linking import LinkedSpan
from spanprofiles.model import Endpoints, FlameGraph
from spanprofiles.pytest_plugin import SpanProfiles
from spanprofiles.pytest_plugin.apps import RunningApp
from tests.support.gunicorn import RIDESHARE

ROOT = Path(__file__).parents[2]

Start = Callable[..., RunningApp]


class Broken(NamedTuple):
    """What the doctor must say of a fault.

    Attributes:
        hop: the hop that is broken.
        advice: what its advice must name.
        evidence: what its evidence must say.
    """

    hop: str
    advice: str
    evidence: str = ""


@dataclass(frozen=True, eq=False)
class LanguageOfRegion:
    """A language in which a region is written.

    Attributes:
        name: its name, as the doctor's advice and the tests have it.
        region: the region.
        agent: the label by which profiles tell who took them, and its value.
        search: the function that finds the nearest vehicle, as the agent names it.
        sampled_as: what the samples of an order for a scooter carry as the name of their span.
        sample_of: that of which a sample is 10 ms.
        faults: what can be broken in it, each with what the doctor must say.
        variables: by fault, the variables that break it, where that is not done by ``RIDESHARE_FAULTS``; None removes
            one.
        short_lived: the variables of a process that serves a few tests, by which it starts with less CPU.
        fleet: how it is built and run; None for Python.
        start_s: how long it may take to start, s.
    """

    name: str
    region: str
    agent: tuple[str, str]
    search: str
    sampled_as: str
    sample_of: str
    faults: Mapping[str, Broken]
    variables: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    short_lived: Mapping[str, str] = field(default_factory=dict)
    fleet: FleetRegion | None = None
    start_s: float = 30.0

    def command(self) -> list[str]:
        """Return the command that runs it."""
        return list(self.fleet.command if self.fleet else RIDESHARE)

    def environment(self, endpoints: Endpoints, service: str, fault: str = "") -> dict[str, str | None]:
        """Return its variables, with a fault if one is named."""
        telemetry = dict(self.fleet.environment(endpoints, service)) if self.fleet else {"OTEL_SERVICE_NAME": service}
        return {
            **telemetry,
            "OTEL_RESOURCE_ATTRIBUTES": f"region={self.region},host.name=rideshare-{self.region}",
            "RIDESHARE_REGION": self.region,
            "RIDESHARE_BIND": "{address}",
            "RIDESHARE_NEIGHBOUR_TIMEOUT_SECONDS": "30",
            "RIDESHARE_GATEWAY_SECONDS": "2",  # beside which the CPU of uploads is little on a busy machine
            **self.short_lived,
            **self.variables.get(fault, {"RIDESHARE_FAULTS": fault}),
        }


PYTHON = LanguageOfRegion(
    "Python",
    "eu-north",
    ("otel.scope.name", "com.grafana.pyroscope/python"),
    "find_nearest_vehicle",
    sampled_as="GET /scooter",
    sample_of="time in which the thread holds the interpreter's lock",
    faults={
        "no-processor": Broken("profile ID", "PyroscopeSpanProcessor"),
        "no-agent": Broken("profiles", "pyroscope.configure"),
        "agent-under-another-name": Broken("service name", "application_name"),
    },
)
GO = LanguageOfRegion(
    "Go",
    "us-west",
    ("pyroscope_spy", "gospy"),
    "rideshare/internal/city.FindNearestVehicle",
    sampled_as="GET",
    sample_of="CPU",
    faults={
        "no-processor": Broken("profile ID", "otelpyroscope.NewTracerProvider"),
        "wrapped-too-late": Broken("profile ID", "hand over the wrapped one", "child span(s) carry one"),
        "no-agent": Broken("profiles", "pyroscope.Start"),
        "agent-under-another-name": Broken("service name", "ApplicationName"),
    },
    fleet=go_region(),
)
#: To compile for speed takes half of the CPU with which a JVM starts. The JVM of `make fleet` does that.
SHORT_LIVED_JAVA: Mapping[str, str] = {"JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
JAVA = LanguageOfRegion(
    "Java",
    "sa-east",
    ("pyroscope_spy", "javaspy"),
    "rideshare/city/Fleet.findNearestVehicle",
    sampled_as="GET",
    sample_of="CPU",
    faults={
        "no-extension": Broken("profiles", "OTEL_JAVAAGENT_EXTENSIONS"),
        "no-agent": Broken("profiles", "OTEL_PYROSCOPE_START_PROFILING=true"),
        "agent-under-another-name": Broken("service name", "PYROSCOPE_APPLICATION_NAME"),
        "wall-alone": Broken("sample labels", "PYROSCOPE_PROFILER_EVENT=itimer", "samples by the event wall"),
    },
    variables={
        "no-extension": {"OTEL_JAVAAGENT_EXTENSIONS": None},
        "no-agent": {"OTEL_PYROSCOPE_START_PROFILING": "false"},
        "agent-under-another-name": {"PYROSCOPE_APPLICATION_NAME": "java-profiles"},
        "wall-alone": {"PYROSCOPE_PROFILER_EVENT": "wall"},
    },
    short_lived=SHORT_LIVED_JAVA,
    fleet=java_region(),
    start_s=300.0,
)
LANGUAGES = (PYTHON, GO, JAVA)
FAULTS = [(language, fault) for language in LANGUAGES for fault in language.faults]
#: In so many orders for a car, a fifth of which is the check of its driver, that has samples, however few a ride has.
CARS = 6
CHECKS_A_DRIVER = "rideshare/city/Driver.checkDriver"
BUILT = tuple(language.fleet for language in LANGUAGES if language.fleet is not None)
#: The settings of Java's extension that a region does not use. There is no other format than JFR in its version.
JAVA_OPTIONS: Mapping[str, str] = {
    "PYROSCOPE_FORMAT": "collapsed",
    "OTEL_PYROSCOPE_ROOT_SPAN_ONLY": "false",
    "OTEL_PYROSCOPE_ADD_SPAN_NAME": "false",
    "PYROSCOPE_PROFILER_EVENT": "cpu",
}


@cache
def builds() -> Mapping[str, Future[None]]:
    """Begin to build the regions whose tools are there, side by side, and return how each ends, by its language."""
    pool = ThreadPoolExecutor(len(BUILT))
    return {region.language: pool.submit(region.make) for region in BUILT if not region.missing()}


def made(language: LanguageOfRegion) -> str:
    """Wait until a region is built; return why it cannot be on this machine, or an empty text.

    Raises:
        DemoError: its build has failed.
    """
    if language.fleet is None:
        return ""
    if language.name in builds():
        builds()[language.name].result()
    return language.fleet.missing()


def start(
    language: LanguageOfRegion,
    starter: Start,
    endpoints: Endpoints,
    service: str,
    fault: str = "",
    **more: str,
) -> RunningApp:
    """Start a region, or skip the test where it cannot be built on this machine.

    Args:
        language: what it is written in.
        starter: the fixture ``span_profiles_app``.
        endpoints: where its telemetry goes.
        service: its service's name.
        fault: what is broken in it; empty for nothing.
        more: further variables.
    """
    reason = made(language)
    if reason:
        pytest.skip(reason)
    return starter(
        language.command(),
        ready="/health",
        environment={**language.environment(endpoints, service, fault), **more},
        cwd=ROOT,
        start_timeout=language.start_s,
        name=service,
    )


def together(spans: Iterable[LinkedSpan]) -> FlameGraph:
    """Return the flame graph of several: on a busy machine a single one has four or five samples in Java."""
    return reduce(add, (span.flamegraph for span in spans))


def labels_of(span: LinkedSpan, label: str, span_profiles: SpanProfiles) -> list[str]:
    """Return the values of a label of the profiles around a span."""
    query = span_profiles.linker.query(span.span)
    return span_profiles.linker.pyroscope.label_values(label, query.start_ms, query.end_ms, [query.selector])
