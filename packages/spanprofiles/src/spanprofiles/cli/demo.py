"""``spanprofiles demo``: the whole demo, from nothing to the flame graph of one ride."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Collection
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import NoReturn

import click

from spanprofiles.backends.interruptions import INTERRUPTIONS
from spanprofiles.cli.exits import BROKEN, COULD_NOT_LOOK, leave, reported
from spanprofiles.cli.options import Seconds
from spanprofiles.cli.output import Styled, rewrite, say, say_json, say_lines, show
from spanprofiles.clients import ClientError
from spanprofiles.demo.errors import DemoError
from spanprofiles.demo.figures import Figures, LiveFigures
from spanprofiles.demo.fleet import fleet_regions, go_region, java_region
from spanprofiles.demo.stack import SERVICE, DemoPorts, DemoStack
from spanprofiles.demo.start_lock import one_at_a_time
from spanprofiles.demo.story import FAULT, OTHER_REGION, SLOW_REGION, new_admin_token, tell_slow_search
from spanprofiles.linking import Evidence, LinkedSpan, Linker, LinkError, NoSamplesError, TracedSession, Waiting
from spanprofiles.model import Endpoints
from spanprofiles.report import failure_report

_WORK = "find_nearest_vehicle"
_ORDER = "/car?riders=2"
_LIVE_EVERY_S = 1.0
_PAGE_S = 5.0
_QUIET_EVERY_S = 5.0


@click.command()
@click.option("--once", is_flag=True, help="End after the first link: with 0, or with the reason why there is none.")
@click.option("--json", "as_json", is_flag=True, help="Print the first link as JSON on standard output.")
@click.option("--fault", type=click.Choice([FAULT]), help="Tell the story of a fault: which function makes rides slow?")
@click.option(
    "--wait", "wait_s", type=Seconds(1), default=15.0, show_default=True, help="Longest wait for the first link, s."
)
@click.option("--users", type=click.IntRange(1, 200), default=4, show_default=True, help="Simulated riders at a time.")
@click.option("--fleet", is_flag=True, help="Add a region in Go and one in Java, built from the repository's sources.")
def command(once: bool, as_json: bool, fault: str | None, wait_s: float, users: int, fleet: bool) -> None:
    """Run the demo: servers, three regions of the rideshare app and their load, on 127.0.0.1.

    Prints the span tree and the flame graph of the first ride as soon as they are linked, then a live line until
    Ctrl-C, which leaves no process behind. If they are not linked, it says what was there instead and goes on, so that
    you can ask the doctor and the page; the exit code is then 1. With --once, --json or --fault it ends there.
    """
    # A shell script starts its background jobs with SIGINT ignored. A demo is to end all the same: by Ctrl-C with the
    # script, or by a signal of its own. Under nohup it is to survive.
    for number in INTERRUPTIONS:
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    with reported():
        try:
            _run(_Wishes(once, as_json, fault, wait_s, fleet), users)
        except DemoError as error:
            leave(COULD_NOT_LOOK, *str(error).split("\n"))


@dataclass(frozen=True)
class _Wishes:
    """What the command line asks for."""

    once: bool
    as_json: bool
    fault: str | None
    wait_s: float
    fleet: bool


def _run(wishes: _Wishes, users: int) -> None:
    with ExitStack() as starting:
        starting.enter_context(one_at_a_time(_say))
        _run_stack(wishes, users, starting.close)


def _run_stack(wishes: _Wishes, users: int, let_others_start: Callable[[], None]) -> None:
    """Run the demo.

    Raises:
        KeyboardInterrupt: before what was asked for has been shown. Later, it is how the demo ends.
    """
    fleet = fleet_regions(_say) if wishes.fleet else ()
    started = time.monotonic()
    ports, replaced = DemoPorts().freed()
    if wishes.once:
        replaced.pop("page", None)  # there is none
    for absent in {go_region().port_name, java_region().port_name} - {region.port_name for region in fleet}:
        replaced.pop(absent, None)
    for name, (taken, free) in replaced.items():
        _say(f"port {taken} ({name.replace('_', '-')}) is taken by another program: using {free}")
    token = new_admin_token()
    stack = DemoStack(ports, users, admin_token=token, fleet=fleet)
    try:
        stack.launch()
        if not wishes.once:
            _start_page(stack, token)
        _say("starting Tempo's and Pyroscope's stand-ins, and the regions " + ", ".join(stack.regions))
        endpoints = stack.await_backend()
        _say(f"servers answer after {time.monotonic() - started:.1f} s")
        rideshare = stack.await_region("eu-north")
        _say(f"region eu-north answers after {time.monotonic() - started:.1f} s; ordering the first ride")
        stack.start_load()
        linker = Linker.of(endpoints, waiting=Waiting(wishes.wait_s))
        try:
            evidence, first = _first_ride(rideshare, linker)
        except LinkError as error:
            if wishes.once or wishes.as_json or wishes.fault or error.evidence is None:
                raise
            stack.await_all()
            let_others_start()
            _go_on_without_a_link(error, error.evidence, stack, linker, endpoints)
        seconds = time.monotonic() - started
        _print_json(first, seconds) if wishes.as_json else _print(first, evidence, seconds)
        if wishes.once and not wishes.fault:
            return
        stack.await_all()
        let_others_start()
        if fleet:
            _print_crossing(stack, linker, 1 + len(fleet))
        if wishes.fault:
            _tell_story(stack, linker, token, wishes.as_json)
        if not wishes.once:
            with suppress(KeyboardInterrupt):
                _print_next(first.trace_id, stack, endpoints)
                _live(stack, LiveFigures(linker))
    finally:
        for number in INTERRUPTIONS:  # it takes a second or two, and asking again is no help
            signal.signal(number, signal.SIG_IGN)
        stack.stop()
        _say("all processes are stopped")


def _start_page(stack: DemoStack, token: str) -> None:
    """Serve the page from a thread of this process, which ends with it, and say where."""
    from spanprofiles.ui import ControlError, DemoControls, create_app, serve

    def restart(region: str, faults: Collection[str], tell: Callable[[str], None]) -> None:
        try:
            stack.restart_region(region, faults, tell)
        except DemoError as error:
            raise ControlError(str(error)) from error

    # only the regions in Python have switches for all faults
    regions = {region.name: region.url for region in stack.regions.values() if region.fleet is None}
    app = create_app(stack.endpoints, DemoControls(regions, token, stack.locust_url, restart))
    listening = threading.Event()

    def announce(url: str) -> None:
        _say(f"the page: {url}")
        listening.set()

    arguments = (app, "127.0.0.1", stack.ports.page, announce)
    threading.Thread(target=serve, args=arguments, name="the page", daemon=True).start()
    listening.wait(_PAGE_S)


def _first_ride(rideshare: TracedSession, linker: Linker) -> tuple[Evidence, LinkedSpan]:
    """Order a ride and verify its link.

    Raises:
        LinkError: it is not linked, or not with the function that did the work.
    """
    response = rideshare.get(_ORDER)
    if not response.ok:
        raise DemoError(f"the first ride was refused with {response.status_code}: {response.text[:200]}")
    request = linker.follow(response)
    linked = request.linked_span()
    if linked.profile_id != linked.span_id:
        raise NoSamplesError(
            f"the profile ID {linked.profile_id} is not the span's own ({linked.span_id})", request.evidence
        )
    if not linked.flamegraph.total_of(_WORK):
        raise NoSamplesError(
            f"the span profile has samples, but none in {_WORK}: {linked.flamegraph!r}", request.evidence
        )
    return request.evidence, linked


def _go_on_without_a_link(
    error: LinkError, evidence: Evidence, stack: DemoStack, linker: Linker, endpoints: Endpoints
) -> NoReturn:
    """Show what there was instead of a link, and go on until interrupted: there is something to look for."""
    say_lines(f"\n{failure_report(evidence)}\n")
    say(Styled(f"not linked: {error}", "red", bold=True))
    _print_next(evidence.trace_id, stack, endpoints, broken=True)
    try:
        _live(stack, LiveFigures(linker))
    except KeyboardInterrupt:
        leave(BROKEN, "the first ride was not linked")


def _tell_story(stack: DemoStack, linker: Linker, token: str, as_json: bool) -> None:
    """Switch the fault on and find the function that grew.

    Raises:
        SystemExit: the difference of slow and fast rides does not name it.
    """
    from spanprofiles.cli.demo_story import print_story, story_as_json

    regions = {name: stack.await_region(name) for name in (SLOW_REGION, OTHER_REGION)}
    story = tell_slow_search(regions, linker, token, tell=_say)
    say_json(story_as_json(story)) if as_json else print_story(story)
    if not story.is_as_told:
        leave(BROKEN, "the difference of slow and fast rides does not name the function that grew")


def _say(text: str) -> None:
    say(text, err=True)


def _print(first: LinkedSpan, evidence: Evidence, seconds: float) -> None:
    from rich.text import Text

    from spanprofiles.cli import render

    console = render.console()
    verified = f"verified: a request, its span, its CPU: {seconds:.1f} s after the start"
    show(console, "", Text(f"trace {first.trace_id}", style="bold"), render.trace_tree(evidence))
    show(console, "", render.linked_span(first, console), "", Text(verified, style="bold green"))


def _print_crossing(stack: DemoStack, linker: Linker, regions: int) -> None:
    """Order a car where there is none, and show the order's way through the regions, with a span profile in each.

    Raises:
        LinkError: a region's span is not linked.
    """
    from rich.text import Text

    from spanprofiles.cli import render

    for region in stack.regions.values():  # what has just started compiles and loads for its first orders
        if region.fleet:
            stack.await_region(region.name).get("/bike")
    request = linker.follow(stack.await_region("ap-south").get("/car"))
    spans = request.linked_spans(regions)
    languages = ", ".join(sorted({str(span.span.resource.get("telemetry.sdk.language")) for span in spans}))
    crossed = f"one order, {len(spans)} regions, each with its own flame graph: {languages}"
    show(render.console(), "", Text(crossed, style="bold green"), render.trace_tree(request.evidence), "")


def _print_json(first: LinkedSpan, seconds: float) -> None:
    top = [
        {"function": row.name, "self_ns": row.self, "total_ns": row.total, "share": round(row.share, 4)}
        for row in first.flamegraph.top(10)
    ]
    say_json(
        {
            "trace_id": first.trace_id,
            "span_id": first.span_id,
            "profile_id": first.profile_id,
            "service": first.service,
            "cpu_ns": first.cpu_ns,
            "top": top,
            "seconds_to_first_flamegraph": round(seconds, 3),
        }
    )


def _print_next(trace_id: str, stack: DemoStack, endpoints: Endpoints, *, broken: bool = False) -> None:
    from spanprofiles.cli import render

    program = render.program()
    servers = ""
    if (endpoints.tempo, endpoints.pyroscope) != ("http://127.0.0.1:3200", "http://127.0.0.1:4040"):
        servers = f" --tempo {endpoints.tempo} --pyroscope {endpoints.pyroscope}"
    eu_north, ap_south = stack.regions["eu-north"].url, stack.regions["ap-south"].url
    rows = [
        *([("which hop is broken", f"{program} doctor --service {SERVICE}{servers}")] if broken else []),
        ("this ride again", f"{program} show {trace_id}{servers}"),
        ("another, hop by hop", f"{program} verify {eu_north}/bike{servers}"),
        ("one that two regions serve", f"{program} verify {ap_south}/car{servers}"),
        ("by hand", f"curl '{eu_north}/scooter'"),
        ("look at all of it", f"http://127.0.0.1:{stack.ports.page}"),
        ("more or fewer riders", f"{stack.locust_url} (Locust's page)"),
        ("stop everything", "Ctrl-C"),
    ]
    width = max(len(title) for title, _ in rows)
    _say("")
    for title, text in rows:
        _say(f"  {title:<{width}}  {text}")
    _say("")


def _live(stack: DemoStack, live: LiveFigures) -> NoReturn:
    """Show the live line until interrupted: rewritten in a terminal, a line now and then elsewhere."""
    in_terminal = sys.stderr.isatty()
    while True:
        stack.check_running()
        try:
            line = _line(live.look())
        except ClientError as error:
            line = str(error)
        if in_terminal:
            rewrite(line)
        else:
            _say(line)
        time.sleep(_LIVE_EVERY_S if in_terminal else _QUIET_EVERY_S)


def _line(figures: Figures) -> str:
    linked = f"{figures.linked / figures.judged:.1%} of {figures.judged}" if figures.judged else "not yet known"
    return f"{figures.rides_per_s:.1f} rides/s, linked: {linked}, newest trace {figures.newest_trace_id or 'none yet'}"
