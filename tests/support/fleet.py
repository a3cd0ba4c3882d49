"""The regions of the city in each language, and what differs among them: the table that the documentation shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from spanprofiles.demo.fleet import FleetRegion, go_region, java_region
from spanprofiles.model import Endpoints
from tests.support.gunicorn import RIDESHARE

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, eq=False)
class LanguageOfRegion:
    """A language in which a region is written.

    Attributes:
        name: its name, as the doctor's advice and the tests have it.
        region: the region.
        agent: the label by which profiles tell who took them, and its value.
        search: the function that finds the nearest vehicle, as the agent names it.
        faults: what can be broken in it, each with the hop that the doctor must name, and what its advice must.
        variables: by fault, the variables that break it, where that is not done by ``RIDESHARE_FAULTS``; None removes
            one.
        fleet: how it is built and run; None for Python.
        start_s: how long it may take to start, s.
    """

    name: str
    region: str
    agent: tuple[str, str]
    search: str
    faults: Mapping[str, tuple[str, str]]
    variables: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
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
            **self.variables.get(fault, {"RIDESHARE_FAULTS": fault}),
        }


PYTHON = LanguageOfRegion(
    "Python",
    "eu-north",
    ("otel.scope.name", "com.grafana.pyroscope/python"),
    "find_nearest_vehicle",
    faults={
        "no-processor": ("profile ID", "PyroscopeSpanProcessor"),
        "no-agent": ("profiles", "pyroscope.configure"),
        "agent-under-another-name": ("service name", "application_name"),
    },
)
GO = LanguageOfRegion(
    "Go",
    "us-west",
    ("pyroscope_spy", "gospy"),
    "rideshare/internal/city.FindNearestVehicle",
    faults={
        "no-processor": ("profile ID", "otelpyroscope.NewTracerProvider"),
        "wrapped-too-late": ("profile ID", "otelpyroscope.NewTracerProvider"),
        "no-agent": ("profiles", "pyroscope.Start"),
        "agent-under-another-name": ("service name", "ApplicationName"),
    },
    fleet=go_region(),
)
JAVA = LanguageOfRegion(
    "Java",
    "sa-east",
    ("pyroscope_spy", "javaspy"),
    "rideshare/city/Fleet.findNearestVehicle",
    faults={
        "no-extension": ("profiles", "OTEL_JAVAAGENT_EXTENSIONS"),
        "wall-alone": ("sample labels", "PYROSCOPE_PROFILER_EVENT=itimer"),
    },
    variables={
        "no-extension": {"OTEL_JAVAAGENT_EXTENSIONS": None},
        "wall-alone": {"PYROSCOPE_PROFILER_EVENT": "wall"},
    },
    fleet=java_region(),
    start_s=300.0,
)
LANGUAGES = (PYTHON, GO, JAVA)
FAULTS = [(language, fault) for language in LANGUAGES for fault in language.faults]
