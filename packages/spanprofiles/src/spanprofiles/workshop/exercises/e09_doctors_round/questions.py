"""The questions that a patient can be asked: each orders rides from the patient and says what was seen."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import requests

from spanprofiles.clients import ProfileQuery
from spanprofiles.demo.city import city_folder
from spanprofiles.doctor import examine
from spanprofiles.linking import FollowedRequest, Linker, LinkError, Waiting
from spanprofiles.linking.grafana import GrafanaLinker, SettingsError, read_data_sources
from spanprofiles.model import FlameGraph
from spanprofiles.model.selector import service_selector, without_span
from spanprofiles.report import span_tree, top_table
from spanprofiles.workshop.program import LearnersProgram
from spanprofiles.workshop.workbench import Workbench

COMMAND = ("{python}", "-m", "gunicorn", "-c", "python:rideshare.gunicorn_config", "rideshare.app:create_app()")
SETTINGS = "datasources.yaml"

PATIENCE_S = 8.0
"""How long a question waits for a trace or for samples, s: agents here upload once a second."""

CLOCKS_APART_S = 60.0
"""How much further back than the patient's start the doctor looks, s."""

OTHER_RIDES, AT_ONCE = 16, 8
_SHOWN_FUNCTIONS = 4
_MOST_LABELS = 12


class Patient:
    """A patient under examination: the demo's app with a fault.

    Args:
        bench: the workbench.
        service: the patient's name.
        fault: what is wrong.
    """

    def __init__(self, bench: Workbench, service: str, fault: str) -> None:
        self.bench = bench
        self.service = service
        self.since_ns = time.time_ns()
        self.linker: Linker = bench.linker.with_waiting(Waiting(PATIENCE_S))
        self.program: LearnersProgram = bench.start(
            COMMAND,
            service=service,
            environment={
                "PYTHONPATH": os.pathsep.join([str(city_folder()), *filter(None, [os.environ.get("PYTHONPATH")])]),
                "RIDESHARE_REGION": "eu-north",
                "RIDESHARE_BIND": "127.0.0.1:{port}",
                "RIDESHARE_FAULTS": fault,
            },
        )

    def ride(self) -> requests.Response:
        """Order a scooter."""
        return self.program.get("/scooter")

    def follow(self, traced: requests.Response) -> FollowedRequest:
        """Follow a request, and show it to the learner."""
        request = self.linker.follow(traced)
        self.bench.shown = (request.trace_id, "")
        return request


def ask_for_trace(patient: Patient) -> list[str]:
    """Show the traces of a ride, of another ride at the same time, and of a receipt."""
    with ThreadPoolExecutor(2, thread_name_prefix="rider") as riders:
        ordered_ns = time.time_ns()
        rides = list(riders.map(lambda _: patient.ride(), range(2)))
    receipt = patient.program.get(f"/receipt/{rides[0].json()['ride_id']}")
    lines: list[str] = []
    for what, answer in (("one of two rides at once", rides[1]), ("a receipt", receipt)):
        try:
            trace = patient.follow(answer).trace(lambda found: bool(found.local_roots))
        except LinkError as error:
            return [*lines, f"{what}: {error}"]
        lines.append(f"{what}, trace {trace.trace_id}, {_began(trace.spans[0].start_ns - ordered_ns)}")
        lines += [f"  {line}" for line in span_tree(trace)]
    return lines


def ask_for_samples(patient: Patient) -> list[str]:
    """Show the flame graph of a ride, and how much it has after other rides."""
    patient.ride()
    ride = patient.ride()
    try:
        linked = patient.follow(ride).linked_span()
    except LinkError as error:
        return [str(error)]
    patient.bench.show(linked)
    lines = [f"a ride of {linked.span.duration_ns / 1e6:.0f} ms has {linked.amount}:", *_top(linked.flamegraph)]
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="rider") as riders:
        list(riders.map(lambda _: patient.program.get("/scooter", sampled=False), range(OTHER_RIDES)))
    try:
        patient.linker.linked_span(patient.ride())
    except LinkError as error:
        return [*lines, f"of a later ride: {error}"]
    after = patient.linker.flamegraph(linked.span)
    return [*lines, f"after {OTHER_RIDES} rides that are not traced, the same ride has {after.amount}"]


def ask_pyroscope(patient: Patient) -> list[str]:
    """Show which services have samples, and those of the patient."""
    patient.ride()
    with suppress(LinkError):  # this is only to wait until the samples of a ride are there, or cannot be
        patient.follow(patient.ride()).linked_span()
    services = patient.bench.services_with_samples(patient.since_ns)
    alike = [name for name in services if name == patient.service or name.startswith(f"{patient.service}-")]
    lines = [f"services with samples since the patient woke: {', '.join(alike) or 'none with a name like this'}"]
    for name in alike:
        selector = service_selector(name)
        whole, without = (_samples(patient, query) for query in (selector, without_span(selector)))
        lines.append(f"{name} has {whole.amount}; without a span: {without.amount}")
        lines.append(f"its labels: {_labels(patient, selector)}")
    return lines


def ask_grafana(patient: Patient) -> list[str]:
    """Show what the button of a ride's span asks for, and what comes."""
    patient.ride()
    ride = patient.ride()
    try:
        trace = patient.follow(ride).trace(lambda found: bool(found.local_roots))
        through = GrafanaLinker.of(read_data_sources([patient.bench.folder / SETTINGS]), patient.linker)
    except LinkError as error:
        return [str(error)]
    except SettingsError as error:
        return [f"Grafana cannot read {SETTINGS}: {error}"]
    link = through.resolve(trace.local_roots[0], trace)
    if link.query is None:
        return [f"there is no button: {link.explanation}"]
    came = through.explain(through.answer(link.query))
    return [
        f"the button asks for {link.query.label_selector} and span {link.query.span_selector[0]}",
        f"came back: {came}",
    ]


def ask_the_doctor(patient: Patient) -> list[str]:
    """Show what the doctor says of the patient."""
    for _ in range(2):
        patient.ride()
    with suppress(LinkError):
        patient.linker.linked_span(patient.ride())
    try:
        sources = read_data_sources([patient.bench.folder / SETTINGS])
    except SettingsError as error:
        return [f"Grafana cannot read {SETTINGS}: {error}"]
    endpoints = patient.bench.endpoints
    since_s = (time.time_ns() - patient.since_ns) / 1e9 + CLOCKS_APART_S
    return examine(endpoints, service=patient.service, since_s=since_s, sources=sources).lines()


QUESTIONS: Mapping[str, Callable[[Patient], list[str]]] = {
    "trace": ask_for_trace,
    "samples": ask_for_samples,
    "pyroscope": ask_pyroscope,
    "grafana": ask_grafana,
    "doctor": ask_the_doctor,
}
"""The questions, by what learners call them."""


def _began(later_ns: int) -> str:
    """Say when a span began, against when its request was sent."""
    seconds = later_ns / 1e9
    return f"which began {seconds:.0f} s {'after' if seconds >= 0 else 'before'} it was ordered"


def _top(flamegraph: FlameGraph) -> list[str]:
    return [f"  {line}" for line in top_table(flamegraph, _SHOWN_FUNCTIONS)]


def _samples(patient: Patient, selector: str) -> FlameGraph:
    now_ms = time.time_ns() // 1_000_000
    query = ProfileQuery(selector, patient.since_ns // 1_000_000, now_ms + patient.linker.margin_ms)
    return patient.linker.pyroscope.merged_profile(query)


def _labels(patient: Patient, selector: str) -> str:
    now_ms = time.time_ns() // 1_000_000
    series = patient.linker.pyroscope.series(patient.since_ns // 1_000_000, now_ms, [selector])
    names = sorted({name for labels in series for name in labels})
    return ", ".join(names[:_MOST_LABELS])
