"""Random spans, and random conditions on them joined by ``&&`` and ``||``: what a search shows depends on both.

Left out is what Tempo 3.0.3 itself answers by chance (see ``random_queries``), and a condition that is asked twice.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

Value = bool | int | float | str
ATTRIBUTES: dict[str, Sequence[Value]] = {
    "http.response.status_code": (200, 200, 404, 500),
    "http.status_code": (200, 404),
    "http.request.method": ("GET", "POST"),
    "http.route": ("/bike", "/car", "/"),
    "url.path": ("/a", "/b"),
    "vehicle": ("bike", "car", "bus"),
    "n": (1, 2, 3, 200),
    "km": (0.5, 1.5, 2.0),
    "found": (True, False),
}
INTRINSIC_CONDITIONS = (
    "duration > 50ms", "duration < 1s", 'name = "find"', 'name != "charge"', "status = error", "status != ok",
    "kind = server", "kind != client", "traceDuration > 100ms", "nestedSetParent < 0", 'statusMessage = "boom"',
    'rootName = "find"', 'rootServiceName != "pay"', 'resource.service.name = "web"', '.service.name != "web"',
    'resource.region = "eu"', '.region != "eu"', 'event:name = "retry"', 'event.exception.type = "A"',
    'link.why != "f"', 'instrumentation:name = "flask"', "span.found",
)  # fmt: skip
PATTERNS = ("b.*", ".*", "/.*", "G.*")
ORDER = ("=", "!=", ">", "<", ">=", "<=")
STAGES = (
    "", "", "", " | select(span.n)", " | select(kind, span.km)", " | select(span.http.status_code)",
    " | by(span.vehicle)", " | by(status)", " | count() > 1", " | avg(duration) > 20ms",
)  # fmt: skip


def exports(seed: int, now_s: int, traces: int = 40) -> Iterator[bytes]:
    """Each trace as one export, of one or two services, in the last minute."""
    chance = random.Random(seed)
    for number in range(traces):
        request, trace_id, earlier = ExportTraceServiceRequest(), chance.randbytes(16), list[bytes]()
        for service in chance.sample(("web", "pay", "bike"), chance.choice((1, 2))):
            resource_spans = request.resource_spans.add()
            for key, text in (("service.name", service), ("region", chance.choice(("eu", "us")))):
                resource_spans.resource.attributes.add(key=key).value.string_value = text
            scope_spans = resource_spans.scope_spans.add()
            scope_spans.scope.name = chance.choice(("flask", "other"))
            for place in range(chance.randint(1, 5)):
                start_ns = (now_s - 30) * 10**9 + number * 10**8 + place * 10**7
                span = scope_spans.spans.add(trace_id=trace_id, start_time_unix_nano=start_ns)
                _fill(span, chance, earlier)
        yield request.SerializeToString()


def _fill(span: Any, chance: random.Random, earlier: list[bytes]) -> None:  # an OTLP Span
    span.span_id, span.kind = chance.randbytes(8), chance.randrange(6)
    span.name = chance.choice(("GET /bike", "find", "charge", "plan"))
    if earlier:
        span.parent_span_id = chance.choice(earlier)
    earlier.append(span.span_id)
    span.end_time_unix_nano = span.start_time_unix_nano + chance.choice((1, 40, 60, 150, 1200)) * 10**6
    if chance.random() < 0.5:
        span.status.code = chance.randrange(3)
        span.status.message = chance.choice(("", "boom"))
    for key, values in ATTRIBUTES.items():
        if chance.random() < 0.6:
            _set(span.attributes.add(key=key).value, chance.choice(values))
    if chance.random() < 0.3:
        event = span.events.add(name=chance.choice(("exception", "retry")), time_unix_nano=span.start_time_unix_nano)
        event.attributes.add(key="exception.type").value.string_value = chance.choice("AB")
    if chance.random() < 0.3:
        link = span.links.add(trace_id=chance.randbytes(16), span_id=chance.randbytes(8))
        link.attributes.add(key="why").value.string_value = chance.choice("fg")


def _set(target: Any, value: Value) -> None:  # an OTLP AnyValue
    if isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int):
        target.int_value = value
    elif isinstance(value, float):
        target.double_value = value
    else:
        target.string_value = value


class Conditions:
    """Makes random queries of such conditions.

    Args:
        seed: of the random numbers: the same seed makes the same queries.
    """

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._asked: set[str] = set()

    def _condition(self) -> str:
        """A condition that the query does not have yet."""
        while (condition := self._any_condition()) in self._asked:
            pass
        self._asked.add(condition)
        return condition

    def _any_condition(self) -> str:
        chance = self._chance
        if chance.random() < 0.4:
            return chance.choice(INTRINSIC_CONDITIONS)
        key, scope = chance.choice(list(ATTRIBUTES)), chance.choice(("span.", "span.", "."))
        value = chance.choice(ATTRIBUTES[key])
        if chance.random() < 0.15:
            return f"{scope}{key} != nil"
        if isinstance(value, bool):
            return f"{scope}{key} {chance.choice(('=', '!='))} {str(value).lower()}"
        if isinstance(value, str):
            if chance.random() < 0.3:
                return f'{scope}{key} {chance.choice(("=~", "!~"))} "{chance.choice(PATTERNS)}"'
            return f'{scope}{key} {chance.choice(("=", "!="))} "{value}"'
        if chance.random() < 0.15:  # of the other type
            value = float(value) if isinstance(value, int) else int(value)
        return f"{scope}{key} {chance.choice(ORDER)} {value}"

    def _expression(self, depth: int) -> str:
        if not depth or self._chance.random() < 0.25:
            return self._condition()
        left, right = self._expression(depth - 1), self._expression(depth - 1)
        joined = f"{left} {self._chance.choice(('||', '&&'))} {right}"
        return f"({joined})" if self._chance.random() < 0.5 else joined

    def query(self) -> str:
        """A whole query."""
        self._asked.clear()
        query = f"{{ {self._expression(self._chance.choice((1, 1, 2, 3)))} }}"
        if self._chance.random() < 0.25:
            relation = self._chance.choice(("&&", "||", ">>", ">", "<<", "~"))
            query += f" {relation} {{ {self._expression(1)} }}"
        return query + self._chance.choice(STAGES)
