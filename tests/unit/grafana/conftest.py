"""A real pair that holds one trace, with samples for its linked span."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import pytest

from spanprofiles.clients import PyroscopeClient
from spanprofiles.linking import Linker, Waiting
from spanprofiles.model import Endpoints, Span, Trace, new_span_id, new_trace_id
from tests.support.stub_grafana import seconds_ago_ns
from tests.unit.conftest import otlp_span, push_samples, push_spans, resource_spans

SERVICE = "grafana-link-app"


@dataclass(frozen=True)
class Stored:
    """What the pair holds: a linked span, a child of it without a profile ID, a dead link."""

    endpoints: Endpoints
    trace: Trace
    linked: Span
    child: Span
    dead: Span

    @property
    def pyroscope(self) -> PyroscopeClient:
        return PyroscopeClient(self.endpoints.pyroscope)


@pytest.fixture(scope="session")
def stored(embedded_pair: Endpoints) -> Stored:
    trace_id, linked, child, dead = new_trace_id(), new_span_id(), new_span_id(), new_span_id()
    start_ns, end_ns = seconds_ago_ns(5), seconds_ago_ns(4)
    one_span = partial(otlp_span, start_ns=start_ns, end_ns=end_ns)
    push_spans(
        embedded_pair,
        resource_spans(
            SERVICE,
            one_span(trace_id, linked, "GET /car", profile_id=linked),
            one_span(trace_id, child, "find", parent_id=linked, kind=1),
            one_span(trace_id, dead, "GET /quote", parent_id=child, profile_id=dead),
        ),
    )
    samples = [(("main", "find_nearest_vehicle"), 140_000_000, {"span_id": linked}), (("main",), 10_000_000, {})]
    push_samples(embedded_pair, SERVICE, samples, start_ns)
    trace = Linker.of(embedded_pair, waiting=Waiting(5)).trace(trace_id, lambda found: len(found.spans) == 3)
    by_id = {span.span_id: span for span in trace.spans}
    return Stored(embedded_pair, trace, by_id[linked], by_id[child], by_id[dead])
