"""Judges the mill: the CPU of each request's sacks belongs in its own flame graph, whichever goroutine used it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import requests

from spanprofiles.linking import NoProfileIdError, NoSamplesError, TraceNotFoundError
from spanprofiles.model import FlameGraph
from spanprofiles.workshop.errors import NotHereError
from spanprofiles.workshop.judgement import Judgement
from spanprofiles.workshop.program import AttemptError, LearnersProgram
from spanprofiles.workshop.workbench import Workbench

PROGRAM = ".build/mill"
"""Where it is built: its dot hides it from those who look whether a file was saved."""

BUILD_S = 600.0
"""How long a build may take, s: the first one fetches and compiles the libraries."""

SERVICE = "mill"
ORDERS = {"/oats?sacks=6": "main.roll", "/flour?sacks=6": "main.grind"}
"""What is ordered, and the function that does the work."""

MOST_OF_ANOTHERS = 0.1
"""So small a part of a flame graph may be another request's work."""

LEAST_OWN, MOST_OWN = 0.3, 0.75
"""How much of all work must be in the flame graphs of the traced requests. They order half of it."""

_SHOWN_LINES = 12
_THE_LABEL = "the label of the request on each millstone, for as long as it works on a sack of that request"


@dataclass(frozen=True)
class _Work:
    """Whose flame graph has which work.

    Attributes:
        own_ns: CPU of each request's own work in its flame graph, ns, by what was ordered.
        anothers_ns: likewise, of another request's work.
        total_ns: CPU of all work, with and without a label, ns.
    """

    own_ns: Mapping[str, int]
    anothers_ns: Mapping[str, int]
    total_ns: int

    @property
    def seen(self) -> list[str]:
        """What each flame graph has, in sentences."""
        return [
            f"the flame graph of GET {order} has {_ms(self.own_ns[order])} of {function}"
            + (f", and {_ms(self.anothers_ns[order])} of another request's work" if self.anothers_ns[order] else "")
            for order, function in ORDERS.items()
        ]


def judge(bench: Workbench) -> Judgement:
    """Build the mill, order flour and oats at the same time, and look whose flame graphs have the work."""
    _build(bench)
    since_ns = time.time_ns()
    mill = bench.start((f"./{PROGRAM}",), service=bench.service_name(SERVICE))
    bench.tell("ordering oats and flour at the same time")
    with ThreadPoolExecutor(len(ORDERS)) as pool:
        answers = dict(zip(ORDERS, pool.map(mill.get, ORDERS), strict=True))
        refused = [answer for answer in answers.values() if not answer.ok]
        if refused:
            return Judgement.fails(
                f"GET {refused[0].request.path_url} was answered with {refused[0].status_code}",
                "the flour and the oats: leave their routes as they were",
            )
        bench.tell("ordering the same for guests who are not traced")
        list(pool.map(lambda order: _order_untraced(mill, order), ORDERS))
    bench.tell("ending the mill, so that it sends what it has")
    mill.finish()
    try:
        graphs = {order: _flamegraph(bench, answer, mill) for order, answer in answers.items()}
    except TraceNotFoundError:
        return Judgement.fails(
            "the requests were answered, and Tempo has no span of them",
            "the traces, which the mill sent before: the exporter, and the handler of otelhttp, must stay",
        )
    except NoProfileIdError:
        return _without_profile_id(bench, since_ns)
    return _judge_work(_work(bench, graphs, since_ns))


def _judge_work(work: _Work) -> Judgement:
    own_ns = sum(work.own_ns.values())
    if not work.total_ns:
        return Judgement.fails(
            [*work.seen, "Pyroscope has no sample of main.roll or main.grind"],
            "the samples, which the mill sent before: leave the agent and the work as they were",
        )
    if not own_ns:
        return Judgement.fails(
            [
                "the spans carry profile IDs: the wrapped provider has made them",
                *work.seen,
                f"Pyroscope has {_ms(work.total_ns)} of this work, and none of it with these IDs",
            ],
            _THE_LABEL,
            2,
        )
    if any(
        work.anothers_ns[order] > MOST_OF_ANOTHERS * (own + work.anothers_ns[order])
        for order, own in work.own_ns.items()
    ):
        return Judgement.fails(work.seen, f"{_THE_LABEL}, and no longer", 3)
    if own_ns < LEAST_OWN * work.total_ns:
        lost_ns = work.total_ns - own_ns
        return Judgement.fails([*work.seen, f"{_ms(lost_ns)} of this work is in neither of them"], _THE_LABEL, 3)
    if own_ns > MOST_OWN * work.total_ns:
        return Judgement.fails(
            [*work.seen, "that is more than was ordered: some of it was done for guests who are not traced"],
            f"an end of the labels: {_THE_LABEL}, and no longer",
            3,
        )
    return Judgement.passes([*work.seen, "each has the work of its own sacks, all of it, and nobody else's"])


def _build(bench: Workbench) -> None:
    """Build the learner's mill.

    Raises:
        AttemptError: it does not compile.
        NotHereError: nor does the mill as it was given: the libraries cannot be had, or this Go is too old.
    """
    bench.tell("building the mill; the first time takes a minute or two")
    output = _go_build(bench, bench.folder, PROGRAM)
    if output is None:
        return
    with TemporaryDirectory() as given:
        for name, text in bench.exercise.given.items():
            (Path(given) / name).write_text(text, encoding="utf-8")
        problem = _go_build(bench, Path(given), "mill")
    if problem is not None:
        reason = problem[-1].strip() if problem else "go build said nothing"
        raise NotHereError(bench.exercise.number, f"Go cannot build the mill as it was given: {reason}")
    lines = [f"  | {line}" for line in output[-_SHOWN_LINES:]]
    raise AttemptError(Judgement.fails(["go build cannot build the mill", *lines], "it must compile"))


def _go_build(bench: Workbench, folder: Path, program: str) -> list[str] | None:
    """Build the mill in a folder, and return what the compiler said against it; None where it is built.

    Raises:
        NotHereError: it takes too long.
    """
    command = ("go", "build", "-o", program, ".")
    built = bench.run(command, timeout_s=BUILD_S, environment={"GOWORK": "off"}, folder=folder)
    if built.exit_code is None:
        raise NotHereError(bench.exercise.number, f"the mill was not built within {BUILD_S:g} s")
    return built.output.splitlines() if built.exit_code else None


def _order_untraced(mill: LearnersProgram, order: str) -> None:
    try:
        mill.get(order, sampled=False)
    except requests.RequestException as error:
        seen = f"the mill did not answer GET {order} of a guest who is not traced ({type(error).__name__})"
        raise AttemptError(Judgement.fails(seen, "it must answer everybody")) from error


def _flamegraph(bench: Workbench, answer: requests.Response, mill: LearnersProgram) -> FlameGraph:
    """Return the flame graph of a request, which may be empty.

    Raises:
        LinkError: there is no trace of it, or its span carries no profile ID.
    """
    try:
        return bench.linked_span(answer, mill).flamegraph
    except NoSamplesError:
        return FlameGraph()


def _work(bench: Workbench, graphs: Mapping[str, FlameGraph], since_ns: int) -> _Work:
    everything = bench.samples_of(bench.service_name(SERVICE), since_ns)
    return _Work(
        own_ns={order: graphs[order].total_of(own) for order, own in ORDERS.items()},
        anothers_ns={
            order: sum(graphs[order].total_of(function) for function in ORDERS.values() if function != own)
            for order, own in ORDERS.items()
        },
        total_ns=sum(everything.total_of(function) for function in ORDERS.values()),
    )


def _without_profile_id(bench: Workbench, since_ns: int) -> Judgement:
    samples = bench.samples_of(bench.service_name(SERVICE), since_ns)
    return Judgement.fails(
        [
            "the requests' traces are in Tempo, and their spans carry no pyroscope.profile.id",
            f"Pyroscope has {samples.amount} of the mill: the agent runs"
            if not samples.is_empty
            else "Pyroscope has no sample of the mill",
        ],
        "spans made by the wrapped provider: hand that provider to whoever makes the spans",
        1,
    )


def _ms(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e6:.0f} ms"
