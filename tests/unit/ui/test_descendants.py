"""A service that labels every span: the page, the doctor and the commands add children up for their local root."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from uuid import uuid4

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from spanprofiles.cli import main
from spanprofiles.clients import TempoClient
from spanprofiles.doctor import Verdict, examine
from spanprofiles.linking import Linker
from spanprofiles.linking.grafana import read_data_sources
from spanprofiles.model import Endpoints, Trace, new_span_id, new_trace_id
from spanprofiles.ui.cpu import ProfiledSpan
from spanprofiles.ui.descendants import Descendants
from tests.support.repository import DATA_SOURCES
from tests.unit.conftest import otlp_span, push_samples, push_spans, resource_spans
from tests.unit.ui.conftest import MS, StoredRide

PROVISIONED = DATA_SOURCES.parent

StoreLabelled = Callable[..., StoredRide]


@pytest.fixture
def store_labelled(embedded_pair: Endpoints) -> StoreLabelled:
    """Give a function that stores a request whose work is in a child span with an ID of its own."""

    def store(service: str, *, with_samples: bool = True, with_child: bool = True) -> StoredRide:
        trace_id, root_id, child_id = new_trace_id(), new_span_id(), new_span_id()
        start_ns = time.time_ns() - 60 * 10**9
        root = otlp_span(trace_id, root_id, profile_id=root_id, start_ns=start_ns, end_ns=start_ns + 100 * MS)
        root["attributes"].append({"key": "http.route", "value": {"stringValue": "/bike"}})
        child = otlp_span(
            trace_id,
            child_id,
            "find",
            parent_id=root_id,
            kind=1,
            profile_id=child_id,
            start_ns=start_ns + MS,
            end_ns=start_ns + 99 * MS,
        )
        push_spans(embedded_pair, resource_spans(service, root, *([child] if with_child else [])))
        if with_samples:
            samples = [(("serve", "search"), 90 * MS, {"span_id": child_id, "span_name": "find"})]
            push_samples(embedded_pair, service, samples, start_ns)
        return StoredRide(trace_id, root_id, service, start_ns)

    return store


def a_service() -> str:
    return f"labelled-{uuid4().hex[:8]}"


def test_a_request_whose_children_have_the_samples_is_listed_as_linked(
    page: FlaskClient, store_labelled: StoreLabelled
) -> None:
    stored = store_labelled(a_service())
    text = page.get(f"/?part=list&service={stored.service}&linked=1").text
    assert stored.trace_id in text
    assert re.findall(r'<td class="col-cpu figure"><span title="([^"]*)">([^<]*)<', text) == [
        ("90 ms (9 samples, 50 to 170 ms)", "90 ms")
    ]


def test_its_page_has_their_flame_graph(page: FlaskClient, store_labelled: StoreLabelled) -> None:
    text = page.get(store_labelled(a_service()).address).text
    assert "search" in text
    assert "dead link" not in text.lower()


def test_a_request_without_any_samples_is_a_dead_link_as_before(
    page: FlaskClient, store_labelled: StoreLabelled
) -> None:
    stored = store_labelled(a_service(), with_samples=False)
    assert stored.trace_id not in page.get(f"/?service={stored.service}&linked=1").text
    assert "dead link" in page.get(stored.address).text.lower()


def test_the_doctor_finds_such_a_service_linked(embedded_pair: Endpoints, store_labelled: StoreLabelled) -> None:
    service = a_service()
    for _ in range(3):
        store_labelled(service)
    examination = examine(embedded_pair, service=service, sources=read_data_sources([PROVISIONED]), tempo_uid="tempo")
    assert examination.finding("link").seen["share"] == 1.0
    assert examination.broken is None, examination.lines()
    assert examination.finding("one span a sample").verdict is not Verdict.BROKEN
    assert examination.finding("Grafana").verdict is Verdict.OK


def test_the_command_shows_the_sum_and_how_many_spans_are_in_it(
    embedded_pair: Endpoints, store_labelled: StoreLabelled
) -> None:
    stored = store_labelled(a_service())
    urls = ["--tempo", embedded_pair.tempo, "--pyroscope", embedded_pair.pyroscope]
    shown = CliRunner().invoke(main, ["show", stored.trace_id, *urls])
    assert shown.exit_code == 0, shown.output
    assert (
        f"span profile {stored.span_id}: 90 ms of CPU (9 samples, 50 to 170 ms), with 1 span below it" in shown.output
    )
    assert "DEAD LINK" not in shown.output


def test_traces_are_looked_up_of_services_that_label_every_span_and_of_few_others(
    embedded_pair: Endpoints, store_labelled: StoreLabelled, monkeypatch: pytest.MonkeyPatch
) -> None:
    tempo = Linker.of(embedded_pair).tempo
    looked_up: list[str] = []
    real = TempoClient.trace

    def counted(self: TempoClient, trace_id: str) -> Trace | None:
        looked_up.append(trace_id)
        return real(self, trace_id)

    monkeypatch.setattr(TempoClient, "trace", counted)
    descendants = Descendants(tempo)

    def ask(stored: StoredRide, *, is_needed: bool = False) -> int:
        span = ProfiledSpan(stored.span_id, stored.service, 0, 0, stored.trace_id)
        return len(descendants.profile_ids(span, is_needed=is_needed))

    every, roots = a_service(), a_service()
    assert [ask(store_labelled(every)) for _ in range(3)] == [1, 1, 1]
    assert len(looked_up) == 3
    assert [ask(store_labelled(roots, with_child=False)) for _ in range(3)] == [0, 0, 0]
    assert len(looked_up) == 4
    assert ask(store_labelled(roots), is_needed=True) == 1  # after all it does
    assert len(looked_up) == 5
