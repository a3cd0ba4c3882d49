"""``spanprofiles verify``: one request, followed hop by hop."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from time import monotonic
from typing import NoReturn

import click
import requests
from urllib3.exceptions import HTTPError

from spanprofiles.backends.settings import is_address
from spanprofiles.cli.exits import BROKEN, COULD_NOT_LOOK, LINKED, leave, reported
from spanprofiles.cli.options import Seconds, backend_options, endpoints_of, profile_type_option
from spanprofiles.cli.output import Styled, say, show
from spanprofiles.clients import plain_reason
from spanprofiles.clients.answers import LARGEST_ANSWER_BYTES
from spanprofiles.clients.http import is_caused_by
from spanprofiles.clients.sockets import DeadlineAdapter, DeadlinePassedError, deadline_after
from spanprofiles.doctor import Diagnosis, diagnose
from spanprofiles.linking import FollowedRequest, LinkedSpan, Linker, LinkError, NoSamplesError, TracedSession, Waiting
from spanprofiles.model.addresses import shown_address, unreadable_address, without_login
from spanprofiles.model.printable import printable
from spanprofiles.model.profile_types import ProfileType, note

_ANSWER_S = 60.0
_PIECE_BYTES = 64 * 1024
_WORDS = 200


@dataclass
class _Hops:
    """Prints each hop as it is reached."""

    start: float = field(default_factory=monotonic)

    def ok(self, hop: str, text: str) -> None:
        """Report that the hop is there."""
        say(Styled("ok    ", "green"), f" {hop:<11} {text}  ({monotonic() - self.start:.1f} s)")

    def note(self, hop: str, text: str) -> None:
        """Report something worth knowing that breaks nothing."""
        say(Styled("note  ", "yellow"), f" {hop:<11} {' '.join(text.split())}")

    def broken(self, hop: str, text: str, said: Diagnosis | None = None) -> NoReturn:
        """Report that the hop is missing, with the doctor's explanation, and end the program."""
        say(Styled("BROKEN", "red"), f" {hop:<11} {text}")
        if said is not None:
            say(said.line)
        leave(BROKEN, f"the link is broken at: {hop}")


@click.command()
@click.argument("url")
@click.option("--method", default="GET", show_default=True, help="HTTP method.")
@click.option("--header", "headers", multiple=True, metavar="NAME:VALUE", help="A header to send; may be repeated.")
@click.option("--data", help="Body to send.")
@click.option("--function", metavar="NAME", help="A function that must have CPU in the span profile.")
@click.option("--wait", "wait_s", type=Seconds(0.1), default=15.0, show_default=True, help="Longest wait, s.")
@click.option(
    "--upload-interval", type=Seconds(0.1), default=1.0, show_default=True, help="The agent's upload interval, s."
)
@profile_type_option
@backend_options
def command(
    url: str,
    method: str,
    headers: tuple[str, ...],
    data: str | None,
    function: str | None,
    wait_s: float,
    upload_interval: float,
    profile_type: str,
    **options: str | None,
) -> None:
    """Send one request to URL with a traceparent, and follow it: request, trace, profile ID, samples.

    Works on any app in any language. The exit code is 1 if a hop is broken, 2 if it could not check.
    """
    if not is_address(url):
        text = f"{unreadable_address(url)!r} is not an address: http://host:port/path is expected"
        raise click.BadParameter(text, param_hint="URL")
    from spanprofiles.cli import render

    with reported():
        linker = Linker.of(
            endpoints_of(dict(os.environ), options),
            waiting=Waiting(wait_s),
            upload_interval_s=upload_interval,
            profile_type=profile_type,
        )
        linker.tempo.check_ready()
        linker.pyroscope.check_ready()
        hops = _Hops()
        request = linker.follow(_send(hops, url, method, _pairs(headers), data))
        linked = _follow(hops, linker, request, function)
        others = _follow_others(hops, linker, request, linked)
        of = ProfileType.of(linked.profile_type).kind
        if function and not linked.flamegraph.total_of(function):
            similar = ", ".join(linked.flamegraph.unknown_functions.get(function, []))
            hint = f" (nearest name: {similar})" if similar else ""
            hops.broken("function", f"{function} has no {of.value} in the span profile{hint}: {linked.flamegraph!r}")
        if function:
            share = linked.flamegraph.share_of(linked.flamegraph.total_of(function))
            hops.ok("function", f"{function} has {share} of the span's {of.value}")
        console = render.console()
        show(console, "", render.trace_tree(request.evidence), "")
        for followed in (linked, *others):
            show(console, render.linked_span(followed, console), "")


def _pairs(headers: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon or not name.strip():
            shown = printable(header if colon else re.split(r"[\s=]", header)[0])  # what follows may be a secret
            raise click.BadParameter(f"{shown!r} is no header: NAME:VALUE is expected", param_hint="--header")
        pairs[name.strip()] = value.strip()
    return pairs


def _send(hops: _Hops, url: str, method: str, headers: dict[str, str], data: str | None) -> requests.Response:
    shown, (url, login) = shown_address(url), without_login(url)
    session = TracedSession()
    for scheme in ("http://", "https://"):
        session.mount(scheme, DeadlineAdapter(verify_tls=True))
    try:
        with deadline_after(_ANSWER_S), session:
            response = session.request(method, url, headers=headers, data=data, auth=login, stream=True)
            words = _first_words(response)
    except requests.RequestException as error:
        reason = plain_reason(error).replace(url, shown)
        if is_caused_by(error, DeadlinePassedError):
            reason = f"its answer was not complete after {_ANSWER_S:g} s"
        leave(COULD_NOT_LOOK, f"the app does not answer at {shown}: {reason}")
    except UnicodeEncodeError as error:
        leave(COULD_NOT_LOOK, f"a header or the method has {error.object!r}, which HTTP cannot carry")
    except (HTTPError, ValueError) as error:  # an address or a method that no library can send
        leave(COULD_NOT_LOOK, f"the request to {shown} cannot be sent: {str(error).replace(url, shown)}")
    hops.ok("request", f"{response.status_code} {response.reason}, {response.request.headers['traceparent']}")
    if not response.ok:
        hops.note("request", f"the app refused it, so look at what follows with care: {words}")
    return response


def _first_words(response: requests.Response) -> str:
    """Read an answer to its end, which ends its span, or up to a limit; return its first words."""
    first, size = b"", 0
    with response:
        for piece in response.iter_content(_PIECE_BYTES):
            first = first or piece
            size += len(piece)
            if size > LARGEST_ANSWER_BYTES:
                break
    return first.decode("utf-8", "replace")[:_WORDS].strip()


def _follow(hops: _Hops, linker: Linker, request: FollowedRequest, function: str | None) -> LinkedSpan:
    hop = "trace"
    try:
        trace = request.trace()
        hops.ok(hop, f"{len(trace.spans)} span(s) so far, of {', '.join(map(printable, trace.services))}")
        hop = "profile ID"
        span = request.answering_span()
        own = "its own span ID" if span.profile_id == span.span_id else f"not its own span ID {span.span_id}"
        hops.ok(hop, f"{span.profile_id} on {printable(span.name)}, {own}")
        hop = "samples"
        linked = request.samples(span)
        hops.ok(hop, f"{linked.amount} in {len(linked.flamegraph.functions)} functions")
        if note(linked.profile_type):
            hops.note(hop, note(linked.profile_type))
    except NoSamplesError as error:
        said = diagnose(span, linker)
        if said is not None and said.excuse and not function:
            hops.note(hop, f"none, {said.excuse}. Nothing is broken: {said.sentence}")
            raise SystemExit(LINKED) from error
        hops.broken(hop, str(error), said)
    except LinkError as error:
        hops.broken(hop, str(error))
    return linked


def _follow_others(hops: _Hops, linker: Linker, request: FollowedRequest, linked: LinkedSpan) -> list[LinkedSpan]:
    """Follow the spans of the services further down, if the request went on to any."""
    trace = request.trace()  # once more: each service sends its spans by itself
    others = []
    for span in trace.linkable:
        if span.span_id == linked.span_id:
            continue
        try:
            others.append(request.samples(span))
        except LinkError as error:
            said = diagnose(span, linker)
            if said is not None and said.excuse:
                request.evidence.excused[span.profile_id or ""] = said.excuse
                hops.note("samples", f"none of {printable(span.name)} further down, {said.excuse}. Nothing is broken.")
                continue
            hops.broken("samples", str(error), said)
        hops.ok("samples", f"{others[-1].amount} of {printable(span.name)} further down")
    return others
