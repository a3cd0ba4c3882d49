"""Judges the answer to: which function made the slow ride slow?"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from random import Random

import requests

from spanprofiles.demo.city import city_folder
from spanprofiles.linking import NoSamplesError
from spanprofiles.report import duration
from spanprofiles.workshop.judgement import Judgement
from spanprofiles.workshop.workbench import Workbench

COMMAND = ("{python}", "-m", "gunicorn", "-c", "python:rideshare.gunicorn_config", "city:create_app()")
SERVICE = "ride-sharing-app"
CALLER = "settle_fare"
USUAL = ("find_nearest_vehicle", "great_circle_km", "smoothed_position", "moved", "plan_route", "nearest_junction")
RIDES, AT_ONCE = 8, 2
_FIRST_SPANS = ("GET /bike",)
_VERBS = (
    "audit", "collate", "compact", "merge", "replay", "reindex", "rescore", "round", "shuffle", "sift", "tally",
    "weigh",
)  # fmt: skip
_NOUNS = (
    "tariffs", "surcharges", "vouchers", "zones", "mileage", "discounts", "tolls", "tips", "receipts", "rebates",
    "coupons", "passes", "districts", "bonuses", "refunds", "waivers",
)  # fmt: skip


def drawn(bench: Workbench) -> str:
    """Return the name of this learner's slow function."""
    random = Random(f"{bench.seed}/the slow function")  # noqa: S311  # not a secret
    return f"{random.choice(_VERBS)}_{random.choice(_NOUNS)}"


def judge(bench: Workbench) -> Judgement:
    """Judge the answer; without one, let the city run."""
    if not bench.answer:
        return _look(bench)
    trace_id, span_id = (str(bench.notes.get(name, "")) for name in ("trace_id", "span_id"))
    seen = {name: [str(each) for each in bench.notes.get(name) or ()] for name in ("spans", "callers", "functions")}
    return _judged(bench.answer, drawn(bench), **seen).showing(trace_id, span_id)


def _look(bench: Workbench) -> Judgement:
    slow_order = Random(f"{bench.seed}/the slow order").randint(RIDES // 2, RIDES)  # noqa: S311  # not a secret
    folders = [str(bench.exercise.source / "stage"), str(city_folder())]
    city = bench.start(
        COMMAND,
        folder=bench.folder,
        service=SERVICE,
        environment={
            "PYTHONPATH": os.pathsep.join([*folders, *filter(None, [os.environ.get("PYTHONPATH")])]),
            "RIDESHARE_REGION": "eu-north",
            "RIDESHARE_BIND": "127.0.0.1:{port}",
            "WORKSHOP_DRAWN": drawn(bench),
            "WORKSHOP_SLOW_ORDER": str(slow_order),
        },
    )
    bench.tell(f"ordering {RIDES} rides")
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="rider") as riders:
        rides = list(riders.map(lambda _: city.get("/bike"), range(RIDES)))
    slow = [ride for ride in rides if "X-Workshop-Slow" in ride.headers]
    if not slow:
        return Judgement.fails(f"{RIDES} rides were ordered, and none was slow", "a slow ride: check once more")
    return _shown(bench, slow[0], len(rides))


def _shown(bench: Workbench, slow: requests.Response, count: int) -> Judgement:
    bench.tell("waiting for the slow ride's trace and its samples")
    request = bench.follow(slow)
    linked = request.linked_span()
    if not linked.flamegraph.total_of(drawn(bench)):
        raise NoSamplesError(
            f"the slow ride's profile lacks what made it slow: {linked.flamegraph!r}", request.evidence
        )
    spans = sorted({span.name for span in request.trace().spans})
    stacks = [path[: path.index(drawn(bench))] for path in linked.flamegraph.stacks if drawn(bench) in path]
    bench.notes.update(
        trace_id=linked.trace_id,
        span_id=linked.span_id,
        spans=spans,
        callers=sorted({name for path in stacks for name in path}),
        functions=sorted(linked.flamegraph.functions),
    )
    bench.shown = (linked.trace_id, linked.span_id)
    took = f"it took {duration(linked.span.duration_ns)}, and its span profile has {linked.amount}"
    return Judgement.fails(
        f"{count} rides were ordered; the slow one is the trace {linked.trace_id}: {took}",
        "your answer: which function used that CPU itself? spanprofiles workshop check 1 FUNCTION",
        hint=1,
    )


def _judged(
    answer: str,
    right: str,
    spans: Sequence[str] = (),
    callers: Sequence[str] = (),
    functions: Sequence[str] = (),
) -> Judgement:
    """Judge an answer, whichever way the function is written.

    Args:
        answer: the learner's.
        right: the right one.
        spans: the names of the slow ride's spans; they are not asked for.
        callers: the functions that the right one was called by, directly or not.
        functions: all functions in the slow ride's flame graph; empty where nobody has looked at it.
    """
    written = re.sub(r"\(.*\)$", "", answer.strip()).strip()
    name = _short(written)
    if name == right:
        return Judgement.passes(f"{right} is right: its self time is why the slow ride took longer than the others")
    if name == CALLER:
        return Judgement.fails(
            f"{CALLER} is in the slow ride alone, but its own time is next to nothing: it waits for what it calls",
            f"the function that {CALLER} calls, with the most self time",
            hint=3,
        )
    if name in USUAL:
        return Judgement.fails(
            f"every ride calls {name}, the fast ones too: it does not make one ride slower than another",
            "the function that is in the slow ride's flame graph and in no other",
            hint=2,
        )
    named = {span.casefold(): span for span in (*_FIRST_SPANS, *spans)}.get(" ".join(written.split()).casefold())
    if named is not None:
        return Judgement.fails(
            f"{named} is the name of a span, one of the bars above: it says where the time went by the clock, and not"
            " which code used the CPU",
            "a function: one of the boxes of the flame graph below the bars, the one with the most self time",
            hint=2,
        )
    if name in map(_short, callers):
        return Judgement.fails(
            f"{name} is above the function that did the work: it is as wide, but it waits for what it calls",
            "the function at the bottom of the widest column, with the most self time",
            hint=2,
        )
    if functions and name not in map(_short, functions):
        alike = next((_short(known) for known in functions if _short(known).casefold() == name.casefold()), "")
        case = f"; there is {alike}, and upper and lower case count" if alike else ""
        return Judgement.fails(
            f"no function of the name {name!r} is in the slow ride's flame graph{case}",
            "the name of the function with the most self time, as the flame graph has it",
            hint=2,
        )
    return Judgement.fails(
        f"{name!r} did not use the slow ride's CPU",
        "the name of the function with the most self time, as the flame graph of the slow ride's first span has it",
        hint=2,
    )


def _short(function: str) -> str:
    """Return a function's name without that of its class."""
    return function.rpartition(".")[2]
