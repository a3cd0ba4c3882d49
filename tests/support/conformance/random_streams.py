"""Random questions to Tempo that can be asked over HTTP and over gRPC."""

from __future__ import annotations

import random
from typing import Any

from tests.support.conformance.random_metrics import Metrics
from tests.support.conformance.random_queries import TraceQL
from tests.support.conformance.random_spans import Conditions
from tests.support.conformance.streams import Question

SECOND_NS = 10**9
STEPS_NS = (0, 7 * SECOND_NS, 15 * SECOND_NS, 30 * SECOND_NS, SECOND_NS // 2, 90 * SECOND_NS)
SCOPES = ("", "", "none", "span", "resource", "event", "link", "instrumentation", "intrinsic", "nowhere")
TAGS = ("service.name", "region", "vehicle", "n", "km", "found", "http.route", "nowhere", "name", "status")
NARROWED = ('{ resource.service.name = "web" }', '{ span.vehicle = "bike" }', "{ .n = 1 }", "{ nonsense")


class Questions:
    """Makes questions.

    Args:
        seed: of the random numbers: the same seed makes the same questions.
        now_s: the time of the data, s since the epoch.
    """

    def __init__(self, seed: int, now_s: int) -> None:
        self._random = random.Random(seed)
        self._traceql, self._conditions, self._metrics = TraceQL(seed), Conditions(seed), Metrics(seed, now_s)
        self._now_s = now_s

    def search(self) -> Question:
        """A search for what random conditions find in random spans, or random TraceQL in the recorded ones."""
        query = self._random.choice((self._conditions, self._traceql)).query()
        window = {"start": self._now_s - 3_600, "end": self._now_s + 60}
        return Question("Search", {"Query": query, "Limit": 200, "SpansPerSpanSet": 100, **window})

    def metrics(self) -> Question:
        """A metrics query, over a range or for one value."""
        start_ns = (self._now_s - self._random.choice((240, 120, 95, 61))) * SECOND_NS
        end_ns = (self._now_s - self._random.choice((0, 30, 55))) * SECOND_NS + self._random.choice((0, 123_456_789))
        fields: dict[str, Any] = {"query": self._metrics.query(), "start": start_ns, "end": end_ns}
        if self._random.random() < 0.35:
            return Question("MetricsQueryInstant", fields)
        step_ns = self._random.choice(STEPS_NS)
        return Question("MetricsQueryRange", fields | ({"step": step_ns} if step_ns else {}))

    def metadata(self) -> Question:
        """A question about names or values, of all spans."""
        return self._metadata({})

    def narrowed(self) -> Question:
        """A question about names or values, of those spans that meet a query: Tempo's answer depends on its blocks."""
        return self._metadata({"query": self._random.choice(NARROWED)})

    def _metadata(self, fields: dict[str, Any]) -> Question:
        if self._random.random() < 0.5:
            fields |= {"start": self._now_s - 3_600, "end": self._now_s + 60}
        method = self._random.choice(("SearchTags", "SearchTagsV2", "SearchTagValues", "SearchTagValuesV2"))
        if method.startswith("SearchTags"):
            return Question(method, fields | {"scope": self._random.choice(SCOPES)})
        tag = self._random.choice(TAGS)
        if method == "SearchTagValuesV2":
            tag = self._random.choice(("span.", "resource.", ".")) + tag
        return Question(method, fields | {"tagName": tag})
