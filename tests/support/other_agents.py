"""Agents of languages that are not run here, as their uploads show them, and what they tell a backend.

The shapes are those of the agents' sources and of the recorded exchanges (``tests/conformance/recordings``): parameters
of the upload, types of values, and by which label samples carry a span's ID.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from spanprofiles.model import Endpoints, new_span_id, new_trace_id
from tests.support.pprof_writer import Frame, ProfileWriter
from tests.unit.conftest import otlp_span, push_spans, resource_spans

MS = 1_000_000
S = 1_000_000_000
SAMPLE_NS = 10 * MS
ORDERS = 6
OLDEST_S = 46  # so long ago that nobody waits for samples that may still come
CPU_TIME = ("cpu", "nanoseconds")
WALL_TIME = ("wall", "nanoseconds")
COUNT = ("samples", "count")

_REMOTE_PARENT = 0x300


@dataclass(frozen=True)
class Agent:
    """An agent as its uploads show it.

    Attributes:
        spy: what it calls itself.
        types: type and unit of its values.
        period: type and unit of its period.
        frames: the call path of its samples, outermost first.
        function: the last of them, as Pyroscope names it.
        label: by which label a sample carries the ID of its span; empty where none does.
        labels: other labels of its samples, of which ``{name}`` is the name of their span.
        form: the type configuration that goes with an upload in a form; None where the body is the profile.
        unit_ns: the unit of ``from`` and ``until``, ns.
    """

    spy: str
    types: tuple[tuple[str, str], ...]
    frames: tuple[Frame, ...]
    function: str
    period: tuple[str, str] = CPU_TIME
    label: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, Any] | None = None
    unit_ns: int = S

    def upload(self, pyroscope: str, service: str, start_ns: int, spans: Mapping[str, tuple[str, int]]) -> None:
        """Upload a second's profile.

        Args:
            pyroscope: where to.
            service: the name of the application.
            start_ns: when the second began, ns since the epoch.
            spans: by the ID of each span that ran, its name, and how long, ns.
        """
        writer = ProfileWriter(self.types)
        for span_id, (name, time_ns) in spans.items():
            labels = {key: value.format(name=name) for key, value in self.labels.items()}
            if self.label:
                labels[self.label] = span_id
            values = [time_ns // SAMPLE_NS if unit == "count" else time_ns for _, unit in self.types]
            writer.add(reversed(self.frames), values, labels.items())
        profile = writer.encoded(start_ns, period=(*self.period, SAMPLE_NS))
        parameters = {
            "name": f"{service}{{}}",
            "from": str(start_ns // self.unit_ns),
            "until": str((start_ns + S) // self.unit_ns),
            "spyName": self.spy,
            "sampleRate": "100",
        }
        content: dict[str, Any] = {"data": profile}
        if self.form is None:
            parameters["format"] = "pprof"
        else:
            types = ("sample_type_config.json", json.dumps(self.form))
            content = {"files": {"profile": ("profile.pprof", profile), "sample_type_config": types}}
        requests.post(f"{pyroscope}/ingest", params=parameters, timeout=10, **content).raise_for_status()


_SAMPLED = {"units": "samples", "sampled": True}

#: Its span processor puts the ID on samples as ``profile_id``, and the span's name as ``span``.
RUBY = Agent(
    "rbspy",
    (CPU_TIME,),
    (Frame("create", "app/controllers/orders.rb", 12), Frame("find_nearest_vehicle", "app/models/fleet.rb", 40)),
    "app/models/fleet.rb find_nearest_vehicle",
    label="profile_id",
    labels={"span": "{name}"},
)
#: It writes ``profile_id`` too, where wall time is profiled. Times are nanoseconds, and the period is one of CPU.
DOTNET = Agent(
    "dotnetspy",
    (WALL_TIME,),
    (Frame("Rideshare!Orders.Create"), Frame("Rideshare!Fleet.FindNearestVehicle")),
    "Rideshare!Fleet.FindNearestVehicle",
    label="profile_id",
    labels={"thread name": ".NET TP Worker"},
    form={"cpu": _SAMPLED, "wall": _SAMPLED},
    unit_ns=1,
)
NODE = Agent(
    "nodespy",
    (COUNT, WALL_TIME),
    (Frame("./orders.js:create:12"), Frame("./fleet.js:findNearestVehicle:40")),
    "./fleet.js:findNearestVehicle:40",
    period=WALL_TIME,
    form={"samples": _SAMPLED | {"display-name": "samples"}, "wall": _SAMPLED},
)
EBPF = Agent("ebpfspy", (CPU_TIME,), (Frame("start_thread"), Frame("find_nearest_vehicle")), "find_nearest_vehicle")


@dataclass(frozen=True)
class Told:
    """What a service has told a backend: some orders, one after the other.

    Attributes:
        service: its name.
        trace_ids: the orders' traces.
        span_ids: their local root spans.
    """

    service: str
    trace_ids: tuple[str, ...]
    span_ids: tuple[str, ...]


def tell(endpoints: Endpoints, language: str, *agents: Agent, with_ids: bool = True, child_share: float = 0.0) -> Told:
    """Send the spans of some orders, and what agents saw of them.

    Args:
        endpoints: the backend.
        language: ``telemetry.sdk.language`` of the spans.
        agents: the agents; several where one agent's samples of several types differ.
        with_ids: whether local root spans carry a profile ID.
        child_share: of an order's time, that of a child span with a profile ID of its own, 0 to 1; 0 for no such span.
    """
    service = f"{language}-orders-{new_span_id()}"
    now_ns = time.time_ns()
    orders = [(new_trace_id(), new_span_id(), now_ns - ago_s * S) for ago_s in range(OLDEST_S, OLDEST_S - ORDERS, -1)]
    spans = []
    for trace_id, span_id, start_ns in orders:
        end_ns = start_ns + 400 * MS
        own = span_id if with_ids else None
        caller = new_span_id() if child_share else ""
        root = otlp_span(
            trace_id, span_id, "POST /orders", parent_id=caller, profile_id=own, start_ns=start_ns, end_ns=end_ns
        )
        parts = {span_id: ("POST /orders", round((1 - child_share) * 400) * MS)}
        spans.append(root | {"flags": _REMOTE_PARENT} if caller else root)
        if child_share:
            child_id = new_span_id()
            middle_ns = start_ns + round(child_share * 400) * MS
            child = otlp_span(
                trace_id,
                child_id,
                "find",
                parent_id=span_id,
                profile_id=child_id,
                kind=1,
                start_ns=start_ns,
                end_ns=middle_ns,
            )
            spans.append(child)
            parts[child_id] = ("find", round(child_share * 400) * MS)
        for agent in agents:
            agent.upload(endpoints.pyroscope, service, start_ns // S * S, parts)
    group = resource_spans(service, *spans)
    group["resource"]["attributes"] += list(_attributes({"telemetry.sdk.language": language, "host.name": "h1"}))
    push_spans(endpoints, group)
    return Told(service, tuple(order[0] for order in orders), tuple(order[1] for order in orders))


def _attributes(told: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    return ({"key": key, "value": {"stringValue": value}} for key, value in told.items())
