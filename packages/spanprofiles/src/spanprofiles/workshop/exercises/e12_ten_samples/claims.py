"""Claims about a flame graph, each with what its samples say of it: it holds, it does not, or that is open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from spanprofiles.model import FlameGraph
from spanprofiles.model.intervals import Interval, share_interval

YES, NO, OPEN = "yes", "no", "open"
"""What can be said of a claim."""

_MS_NS = 1e6


@dataclass(frozen=True)
class Claim:
    """A claim about one request.

    Attributes:
        text: what is claimed.
        verdict: what the samples say of it.
        reason: why, from the figures.
    """

    text: str
    verdict: str
    reason: str


def share_above(graph: FlameGraph, function: str, bound: float) -> Claim:
    """Claim that a function has more than a part of the request's CPU."""
    interval = graph.share_interval(function) or Interval(0.0, 1.0)
    return Claim(
        f"{function} has more than {bound:.0%} of the request's CPU",
        _against(interval, bound),
        f"its share is {graph.share(function):.0%}, and {_percent(interval)} is possible",
    )


def costs_more(graph: FlameGraph, first: str, second: str) -> Claim:
    """Claim that one function costs more than another."""
    ours, theirs = (_samples(graph, name) for name in (first, second))
    return Claim(
        f"{first} costs more than {second}",
        _against(share_interval(ours, ours + theirs), 0.5),
        f"they have {ours} and {theirs} samples: of both together, {first} has"
        f" {_percent(share_interval(ours, ours + theirs))}",
    )


def lasts_longer(graph: FlameGraph, milliseconds: float) -> Claim:
    """Claim that a request uses more CPU than so much."""
    interval = graph.total_interval() or Interval(0.0, 0.0)
    in_ms = Interval(interval.low / _MS_NS, interval.high / _MS_NS)
    return Claim(
        f"the request uses more than {milliseconds:g} ms of CPU",
        _against(in_ms, milliseconds),
        f"it has {graph.total / _MS_NS:.0f} ms, and {in_ms.low:.0f} to {in_ms.high:.0f} ms is possible",
    )


def never_called(graph: FlameGraph, function: str) -> Claim:
    """Claim that the request never calls a function."""
    is_seen = bool(graph.total_of(function))
    reason = f"{function} has samples" if is_seen else "what has no sample may have been called between two samples"
    return Claim(f"the request never calls {function}", NO if is_seen else OPEN, reason)


def claims_about(graph: FlameGraph) -> list[Claim]:
    """Return the claims of the exercise, in a fixed order."""
    made: list[Callable[[], Claim]] = [
        lambda: share_above(graph, "search", 0.10),
        lambda: share_above(graph, "search", 0.50),
        lambda: costs_more(graph, "search", "sort"),
        lambda: share_above(graph, "render", 0.60),
        lambda: lasts_longer(graph, 40),
        lambda: never_called(graph, "send_mail"),
        lambda: lasts_longer(graph, 300),
    ]
    return [make() for make in made]


def _samples(graph: FlameGraph, function: str) -> int:
    return round(graph.total_of(function) / (graph.sample_value or 1))


def _against(interval: Interval, bound: float) -> str:
    return YES if interval.low > bound else NO if interval.high < bound else OPEN


def _percent(interval: Interval) -> str:
    return f"{interval.low:.0%} to {interval.high:.0%}"
