"""Repeats a request until its figures are precise enough, or a bound is met."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from spanprofiles.linking import LinkedSpan, NotTracedError, Traced
from spanprofiles.linking.session import trace_context_of
from spanprofiles.measure.until import Until
from spanprofiles.model import Measurement, Span, TraceContext

#: Fewest and most requests of a measurement, and longest time for sending them, s, unless the caller says otherwise.
FEWEST_REQUESTS = 10
MOST_REQUESTS = 200
LONGEST_S = 60.0

#: Requests that are sent first and not counted: an app's first request is not like the others.
WARM_UP = 1

_GROWTH = 4  # a round is at most so many times as large as all before it: the first rounds tell little
_FIRST_FAILURE = 500


class MeasurementFailedError(AssertionError):
    """A request of a measurement failed, so its CPU is not that of the request that was to be measured."""


@dataclass(frozen=True)
class Bounds:
    """How often a request is repeated.

    Attributes:
        at_least: fewest requests; also the size of the first round.
        at_most: most requests.
        timeout_s: no request is sent later than this many seconds after the first one.
        warm_up: requests that are sent first and not counted.
        clock: the time, s, on a clock that is never set back.

    Raises:
        ValueError: the bounds contradict one another.
    """

    at_least: int = FEWEST_REQUESTS
    at_most: int = MOST_REQUESTS
    timeout_s: float = LONGEST_S
    warm_up: int = WARM_UP
    clock: Callable[[], float] = field(default=time.monotonic, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.at_least < 1 or self.at_most < self.at_least:
            raise ValueError(f"at_least={self.at_least} and at_most={self.at_most} allow no number of requests")
        if not 0 < self.timeout_s < float("inf"):  # false for what is not a number, too
            raise ValueError(f"timeout={self.timeout_s} is not a time: give a number of seconds above 0")
        if self.warm_up < 0:
            raise ValueError(f"warm_up={self.warm_up} is not a number of requests: give 0 or more")


def repeat(
    send: Callable[[], Traced],
    collect: Callable[[list[Traced]], list[LinkedSpan]],
    assemble: Callable[[list[LinkedSpan]], Measurement],
    until: Until,
    bounds: Bounds,
    progress: Callable[[str], object] = lambda _: None,
) -> Measurement:
    """Repeat a request, and return what was measured, with the precision that was reached.

    The requests go in rounds, one after the other. After each round, and only then, it waits for their samples: that
    takes an upload interval, however many requests there were. How large the next round is follows from how much the
    requests differ so far.

    Args:
        send: sends the request, and returns what names its trace.
        collect: waits for the linked spans of a round.
        assemble: makes a measurement of all linked spans.
        until: the precision to reach.
        bounds: how often and how long at most.
        progress: is called with a line of text after each round.

    Raises:
        MeasurementFailedError: a request failed, or two calls answered with one trace.
        LinkError, ClientError: a round has no linked spans.
    """
    first, most = _round_bounds(until, bounds)
    began = bounds.clock()
    sender = _Sender(send)
    for _ in range(bounds.warm_up):
        sender.send()
    linked: list[LinkedSpan] = []
    size = first
    while True:
        sent = [sender.send()]
        while len(sent) < size and bounds.clock() - began < bounds.timeout_s:
            sent.append(sender.send())
        linked += collect(sent)
        measurement = assemble(linked)
        precision = until.precision(measurement)
        progress(precision.sentence(len(linked)))
        is_over = len(linked) >= most or bounds.clock() - began >= bounds.timeout_s
        if precision.is_reached or is_over:
            return replace(measurement, precision=precision)
        needed = precision.requests_needed or 2 * len(linked)
        size = min(needed, most, (1 + _GROWTH) * len(linked)) - len(linked)


def _round_bounds(until: Until, bounds: Bounds) -> tuple[int, int]:
    """Return the size of the first round and the most requests; a number of requests that is asked for goes first."""
    if until.requests is None:
        return bounds.at_least, bounds.at_most
    most = min(until.requests, bounds.at_most)
    return most, most


class _Sender:
    """Sends requests, and refuses those that measure something else."""

    def __init__(self, send: Callable[[], Traced]) -> None:
        self._send = send
        self._known: set[str] = set()

    def send(self) -> Traced:
        answer = self._send()
        status: Any = getattr(answer, "status_code", None)
        if isinstance(status, int) and status >= _FIRST_FAILURE:
            raise MeasurementFailedError(
                f"request {len(self._known) + 1} was answered with {status}: what a failure costs is not what is asked"
            )
        trace_id = _trace_id(answer)
        if trace_id in self._known:
            raise MeasurementFailedError(
                f"two calls answered with the trace {trace_id}: each call must send a request of its own"
            )
        self._known.add(trace_id)
        return answer


def _trace_id(answer: Traced) -> str:
    if isinstance(answer, str):
        return answer
    if isinstance(answer, Span | TraceContext):
        return answer.trace_id
    if answer is None:
        raise NotTracedError("the call returned nothing: let it return the response, as lambda: shop.get('/') does")
    return trace_context_of(answer).trace_id
