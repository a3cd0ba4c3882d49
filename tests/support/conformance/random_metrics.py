"""Random TraceQL metrics queries over the recorded data and random spans.

Left out is what Tempo 3.0.3 itself answers by chance: see ``random_queries``, and below.
"""

from __future__ import annotations

import random
from typing import Any
from urllib.parse import urlencode

from tests.support.conformance.random_queries import TraceQL

COUNTED = ("rate()", "count_over_time()")
MEASURED = ("min_over_time", "max_over_time", "avg_over_time", "sum_over_time", "histogram_over_time")
DURATIONS = ("duration", "duration", "span:duration", "traceDuration", "event:timeSinceStart")
NUMBERS = ("span.tried", "span.http.response.status_code", "span.i", "span.f", "span.km", "span.ints", ".tried", ".km")
OTHERS = ("name", "span.s", "status", "kind", "span.found", "resource.region", "span.nowhere", "nestedSetLeft")
GROUPS = (
    "name", "status", "kind", "rootName", "rootServiceName", "resource.service.name", "resource.region", ".region",
    "span.http.route", "span.http.request.method", "span.http.response.status_code", "span.vehicle", ".vehicle",
    "span.tried", "span.km", "span.found", "span.list", "span.ints", "span.nowhere", "statusMessage", "traceDuration",
    "duration", "trace:id", "span:id", "instrumentation:name", "instrumentation:version", "event:name",
    "event.exception.type", "event:timeSinceStart", "link.why", "link:traceID", "link:spanID",
    "span.pyroscope.profile.id", "resource.k8s.pod.name", "span.http.method",
    "nestedSetParent", "span.b", "span.f", "span.s", "span:parentID", '.service.name', 'resource."host.name"',
)  # fmt: skip
LISTS = frozenset({"span.list", "span.ints"})
STEPS = ("30s", "60s", "15", "7s", "1m30s", "0.5", "300", "1h", "100ms")
QUANTILES = (".5", "0.9", ".99", "0", "1", "0.25")
BOUNDS = ("0", "0.01", "1", "2", "100ms", "0.5", "-1")


class Metrics:
    """Makes random metrics queries.

    Args:
        seed: of the random numbers: the same seed makes the same queries.
        now_s: the time of the data, s since the epoch.
    """

    def __init__(self, seed: int, now_s: int) -> None:
        self._random = random.Random(seed)
        self._spans = TraceQL(seed)
        self._now_s = now_s

    def _pipeline(self) -> str:
        roll = self._random.random()
        if roll < 0.3:
            return "{}"
        if roll < 0.6:
            return f"{{ {self._spans.comparison()} }}"
        if roll < 0.75:
            return f"{{ {self._spans.expression()} }}"
        return self._spans.query().replace("(nothing)", "")

    def _attribute(self) -> str:
        return self._random.choice(self._random.choice((DURATIONS, DURATIONS, NUMBERS, NUMBERS, OTHERS)))

    def _function(self) -> str:
        roll = self._random.random()
        if roll < 0.08:
            more = ", 1000"  # of values that are equally common, the real server keeps any
            return f"compare({{ {self._spans.comparison()} }}{more})"
        if roll < 0.35:
            made = self._random.choice(COUNTED)
        elif roll < 0.55:
            shares = self._random.sample(QUANTILES, self._random.randint(1, 3))
            made = f"quantile_over_time({self._attribute()}, {', '.join(shares)})"
        else:
            made = f"{self._random.choice(MEASURED)}({self._attribute()})"
        # Of groups that differ in lists alone, the real server takes the average with the weights of any of them.
        groups = [name for name in GROUPS if name not in LISTS or not made.startswith("avg")]
        count = self._random.choice((0, 0, 1, 1, 1, 2, 2, 3, 4))
        return f"{made} by ({', '.join(self._random.sample(groups, count))})" if count else made

    def _second(self) -> str:
        made = ""
        while self._random.random() < 0.3:
            if self._random.random() < 0.6:
                made += f" | {self._random.choice(('topk', 'bottomk'))}({self._random.choice((1, 2, 3, 10))})"
            else:
                made += f" {self._random.choice(('>', '>=', '<', '<=', '=', '!='))} {self._random.choice(BOUNDS)}"
        return made

    def query(self) -> str:
        """A whole query."""
        hints = " with (exemplars=false)" if self._random.random() < 0.05 else ""
        return f"{self._pipeline()} | {self._function()}{self._second()}{hints}"

    def path(self) -> str:
        """The path of a request, with the query and its time."""
        query: dict[str, Any] = {"q": self.query()}
        start = self._now_s - self._random.choice((240, 240, 120, 95, 61, 600))
        end = self._now_s - self._random.choice((0, 0, 30, 55, -40))
        unit = self._random.choice((1, 1, 1, 10**9))
        query |= {"start": start * unit, "end": end * unit + (self._random.choice((0, 123_456_789)) if unit > 1 else 0)}
        if self._random.random() < 0.35:
            return f"/api/metrics/query?{urlencode(query)}"
        if self._random.random() < 0.9:
            query["step"] = self._random.choice(STEPS)
        return f"/api/metrics/query_range?{urlencode(query)}"
