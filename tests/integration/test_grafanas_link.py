"""Grafana's button "Profiles for this span", pressed without Grafana: provisioned settings, real rides, its own query.

And with each setting broken, the stated reason.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from spanprofiles.clients.grafana import GrafanaClient
from spanprofiles.linking import LinkedSpan, Linker, NoSamplesError, Waiting
from spanprofiles.linking.grafana import (
    DataSource,
    DataSources,
    Doubt,
    GrafanaLinker,
    NoButton,
    NoButtonError,
    read_data_sources,
)
from spanprofiles.model import Trace
from spanprofiles.pytest_plugin import SpanProfiles

PROVISIONED = Path(__file__).parents[2] / "grafana" / "provisioning" / "datasources"
TEMPO_SOURCES = ["tempo", "tempo-custom-query"]

Ride = tuple[LinkedSpan, Trace]
Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def ride(car_ride: requests.Response, span_profiles: SpanProfiles) -> Ride:
    linked = span_profiles.linked_span(car_ride)
    return linked, span_profiles.trace(linked.trace_id)


@pytest.fixture
def button(span_profiles: SpanProfiles) -> Callable[..., GrafanaLinker]:
    """Make a linker of the provisioned data sources, with one of their settings changed where asked."""

    def make(uid: str = "tempo", change: Change | None = None) -> GrafanaLinker:
        linker = Linker(span_profiles.tempo, span_profiles.pyroscope, waiting=Waiting(2.0))
        if change is None:
            return GrafanaLinker.of(read_data_sources([PROVISIONED]), linker, uid)
        (file,) = PROVISIONED.glob("*.yaml")
        sources = deepcopy(yaml.safe_load(file.read_text()))["datasources"]
        change(next(source for source in sources if source["uid"] == uid)["jsonData"]["tracesToProfiles"])
        return GrafanaLinker.of(DataSources([DataSource.of(source) for source in sources]), linker, uid)

    return make


@pytest.mark.parametrize("uid", TEMPO_SOURCES)
def test_the_provisioned_button_opens_the_rides_own_flame_graph(
    button: Callable[..., GrafanaLinker], ride: Ride, uid: str
) -> None:
    linked, trace = ride
    linker = button(uid)

    link = linker.resolve(linked.span, trace)

    assert link.has_button, link.explanation
    assert link.warnings == ()
    assert linker.flamegraph(linked.span, trace) == linked.flamegraph


@pytest.mark.parametrize("uid", TEMPO_SOURCES)
def test_the_flame_graph_in_the_spans_details_is_drawn(
    button: Callable[..., GrafanaLinker], ride: Ride, uid: str
) -> None:
    linked, trace = ride
    linker = button(uid)
    link = linker.resolve(linked.span, trace)

    assert link.embedded is not None
    answer = linker.answer(link.embedded)

    assert answer.is_drawn_when_embedded
    assert answer.flamegraph == linked.flamegraph


def test_a_child_span_has_no_button(button: Callable[..., GrafanaLinker], ride: Ride) -> None:
    linked, trace = ride
    child = next(span for span in trace.spans if span.span_id != linked.span_id)

    with pytest.raises(NoButtonError) as failure:
        button().flamegraph(child, trace)
    assert failure.value.link.no_button is NoButton.NO_PROFILE_ID


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda link: link.update(datasourceUid="pyroscop"), NoButton.UNKNOWN_DATASOURCE),
        (lambda link: link.update(datasourceUid="tempo"), NoButton.WRONG_TYPE),
        (lambda link: link.pop("datasourceUid"), NoButton.NO_DATASOURCE),
        (
            lambda link: link.update(customQuery=True, query='{service_name="${__span.tags["no.such.tag"]}"}'),
            NoButton.UNRESOLVED_VARIABLE,
        ),
    ],
    ids=["wrong UID", "wrong type", "no UID", "unresolved variable"],
)
def test_with_a_setting_broken_there_is_no_button(
    button: Callable[..., GrafanaLinker], ride: Ride, change: Change, reason: NoButton
) -> None:
    linked, trace = ride

    with pytest.raises(NoButtonError) as failure:
        button("tempo", change).flamegraph(linked.span, trace)
    assert failure.value.link.no_button is reason


@pytest.mark.parametrize(
    ("change", "doubt", "words"),
    [
        (
            lambda link: link.update(tags=[{"key": "service.name", "value": ""}]),
            Doubt.DOTTED_LABEL,
            "Pyroscope refuses the query .* 400",
        ),
        (
            lambda link: link.update(tags=[{"key": "service.name", "value": "service"}]),
            None,
            "under other labels than these",
        ),
        (
            lambda link: link.update(profileTypeId="wall:wall:nanoseconds:wall:nanoseconds"),
            Doubt.OTHER_PROFILE_TYPE,
            "no profiles of that type",
        ),
        (
            lambda link: link.update(profileTypeId="cpu"),
            Doubt.MALFORMED_PROFILE_TYPE,
            "Pyroscope refuses the query .* 400",
        ),
    ],
    ids=["dots not mapped", "mapped to a label that is not there", "wrong profile type", "no profile type at all"],
)
def test_with_a_setting_broken_the_button_opens_nothing(
    button: Callable[..., GrafanaLinker], ride: Ride, change: Change, doubt: Doubt | None, words: str
) -> None:
    linked, trace = ride
    linker = button("tempo", change)

    with pytest.raises(NoSamplesError, match=words):
        linker.flamegraph(linked.span, trace)
    assert doubt is None or doubt in linker.resolve(linked.span, trace).doubts


def test_by_default_a_namespace_that_only_the_spans_have_finds_nothing(
    button: Callable[..., GrafanaLinker], ride: Ride
) -> None:
    linked, trace = ride
    named = replace(linked.span, resource={**linked.span.resource, "service.namespace": "demo"})

    with pytest.raises(NoSamplesError, match="under other labels than these"):
        button("tempo", lambda link: link.pop("tags")).flamegraph(named, trace)
    assert button("tempo").flamegraph(named, trace) == linked.flamegraph, "the provisioned tags leave it out"


def test_an_empty_variable_counts_as_resolved_and_finds_nothing(
    button: Callable[..., GrafanaLinker], ride: Ride
) -> None:
    linked, trace = ride
    unnamed = replace(linked.span, attributes={**linked.span.attributes, "tier": ""})
    query = '{service_name="${__span.tags["tier"]}"}'
    linker = button("tempo", lambda link: link.update(customQuery=True, query=query))

    assert linker.resolve(unnamed, trace).has_button
    with pytest.raises(NoSamplesError):
        linker.flamegraph(unnamed, trace)


@pytest.mark.parametrize("uid", TEMPO_SOURCES)
def test_grafana_itself_gives_the_same_flame_graph(
    span_profiles: SpanProfiles, button: Callable[..., GrafanaLinker], ride: Ride, uid: str
) -> None:
    if not span_profiles.endpoints.grafana:
        pytest.skip("this backend has no Grafana: run it with the compose backend, or with SPAN_PROFILES_GRAFANA_URL")
    linked, trace = ride
    query = button(uid).resolve(linked.span, trace).query
    assert query is not None

    grafana = GrafanaClient(span_profiles.endpoints.grafana, span_profiles.endpoints.credentials)

    assert grafana.ds_query(query.target(), query.start_ms, query.end_ms) == linked.flamegraph
