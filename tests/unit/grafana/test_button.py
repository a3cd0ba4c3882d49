"""Whether there is a button "Profiles for this span", and what it sends."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from spanprofiles.linking.grafana import DataSource, DataSources, NoButton, resolve, resolve_trace, trace_url
from spanprofiles.linking.grafana.variables import attribute_text, scope_of
from spanprofiles.model import CPU, Trace
from tests.support.grafana_settings import (
    LOKI,
    PYROSCOPE,
    RESOURCE,
    SPAN_ID,
    START_MS,
    TRACE_ID,
    a_span,
    custom,
    linked,
    selector,
    settings,
    tempo,
)


def test_with_working_settings_there_is_a_button_without_doubts() -> None:
    link = linked(settings())

    assert link.has_button
    assert link.no_button is None
    assert link.explanation == ""
    assert link.warnings == ()
    assert link.source.uid == "tempo"


def test_the_button_sends_the_query_of_grafanas_data_source() -> None:
    link = linked(settings())

    assert link.query is not None
    assert link.query.target() == {
        "refId": "A",
        "datasource": {"type": "grafana-pyroscope-datasource", "uid": "pyroscope"},
        "queryType": "profile",
        "profileTypeId": CPU,
        "labelSelector": '{service_name="rides"}',
        "spanSelector": [SPAN_ID],
        "groupBy": [],
    }


def test_the_button_asks_for_a_minute_on_either_side_of_whole_milliseconds() -> None:
    link = linked(settings(), a_span(start_ns=START_MS * 10**6 + 999_999, end_ns=START_MS * 10**6 + 2_999_999))

    assert link.query is not None
    assert (link.query.start_ms, link.query.end_ms) == (START_MS - 60_000, START_MS + 2 + 60_000)


def test_the_embedded_flame_graph_asks_the_same_half_a_minute_on_either_side() -> None:
    link = linked(settings())

    assert link.query is not None
    assert link.embedded == replace(link.query, start_ms=START_MS - 30_000, end_ms=START_MS + 1000 + 30_000)


@pytest.mark.parametrize(
    ("broken", "reason", "words"),
    [
        (None, NoButton.NOT_CONFIGURED, "no jsonData.tracesToProfiles"),
        (settings(datasourceUid=None), NoButton.NO_DATASOURCE, "datasourceUid .* is missing or empty"),
        (settings(datasourceUid=""), NoButton.NO_DATASOURCE, "datasourceUid .* is missing or empty"),
        (settings(datasourceUid="pyro"), NoButton.UNKNOWN_DATASOURCE, "'pyro', and no data source .* 'pyroscope'"),
        (settings(datasourceUid="loki"), NoButton.WRONG_TYPE, "of type 'loki'"),
    ],
    ids=lambda value: value.name if isinstance(value, NoButton) else None,
)
def test_without_a_pyroscope_data_source_there_is_no_button(broken: Any, reason: NoButton, words: str) -> None:
    link = linked(broken)

    assert link.no_button is reason
    assert not link.has_button
    assert link.embedded is None
    assert re.search(words, link.explanation)


def test_settings_that_name_no_data_source_are_told_what_to_name() -> None:
    assert linked(settings(datasourceUid="")).explanation == (
        "jsonData.tracesToProfiles.datasourceUid of the data source 'tempo' is missing or empty: set it to the uid of"
        " the Pyroscope data source"
    )


@pytest.mark.parametrize(("named", "words"), [("default", "is the default one"), ("other", "has that uid")])
def test_a_data_source_that_is_not_there_is_told_by_how_it_was_named(named: str, words: str) -> None:
    link = linked(settings(datasourceUid=named))

    assert link.explanation == (
        f"jsonData.tracesToProfiles.datasourceUid of the data source 'tempo' is {named!r}, and no data source {words}:"
        " set it to that of a Pyroscope data source (there are: 'pyroscope')"
    )


def test_a_data_source_of_the_older_type_phlare_gets_no_button() -> None:
    link = linked(settings(), others=[{**PYROSCOPE, "type": "phlare"}, LOKI])

    assert link.no_button is NoButton.WRONG_TYPE
    assert "there are: none" in link.explanation


def test_a_data_source_of_another_type_links_nothing_whatever_its_settings() -> None:
    source = DataSource.of(tempo(settings(), type="jaeger"))
    span = a_span()

    link = resolve(source, DataSources([source, DataSource.of(PYROSCOPE)]), span, Trace.of(TRACE_ID, [span]))

    assert link.no_button is NoButton.NOT_A_TEMPO_SOURCE


def test_a_span_without_a_profile_id_gets_no_button() -> None:
    link = linked(settings(), a_span(profile_id=None))

    assert link.no_button is NoButton.NO_PROFILE_ID
    assert "only local root spans" in link.explanation


def test_a_profile_id_on_the_resource_does_not_count() -> None:
    link = linked(settings(), a_span(resource={**RESOURCE, "pyroscope.profile.id": SPAN_ID}, profile_id=None))

    assert link.no_button is NoButton.NO_PROFILE_ID
    assert "its resource has one" in link.explanation


def test_of_a_trace_only_spans_with_a_profile_id_are_resolved() -> None:
    with_id, without = a_span(), a_span(profile_id=None, span_id="00000000000000aa", parent_id=SPAN_ID)
    source = DataSource.of(tempo(settings()))

    links = resolve_trace(
        source, DataSources([source, DataSource.of(PYROSCOPE)]), Trace.of(TRACE_ID, [without, with_id])
    )

    assert [link.span.span_id for link in links] == [SPAN_ID]


class TestTags:
    def test_a_tag_without_a_value_keeps_its_key(self) -> None:
        assert selector(linked(settings(tags=[{"key": "region"}]), a_span({"region": "eu"}))) == '{region="eu"}'

    def test_tags_match_by_the_exact_key(self) -> None:
        assert selector(linked(settings(tags=[{"key": "Service.Name"}, {"key": "service"}]))) == "{}"

    def test_labels_come_in_the_order_of_the_attributes_not_of_the_settings(self) -> None:
        tags = [{"key": "host.name", "value": "hostname"}, {"key": "service.name", "value": "service_name"}]

        assert selector(linked(settings(tags=tags))) == '{service_name="rides", hostname="h1"}'

    def test_the_spans_own_fields_come_last(self) -> None:
        tags = [{"key": key} for key in ("duration", "name", "traceId", "spanId", "zone")]

        assert selector(linked(settings(tags=tags), a_span({"zone": "z"}))) == (
            f'{{zone="z", spanId="{SPAN_ID}", traceId="{TRACE_ID}", name="operation", duration="1000000"}}'
        )

    @pytest.mark.parametrize("tags", [None, []])
    def test_without_tags_service_name_and_namespace_are_taken(self, tags: list[object] | None) -> None:
        span = a_span(resource={"service.namespace": "shop", "service.name": "rides", "host.name": "h1"})

        assert selector(linked(settings(tags=tags), span)) == '{service_namespace="shop", service_name="rides"}'

    def test_of_two_tags_with_one_key_the_first_counts(self) -> None:
        tags = [{"key": "service.name", "value": "one"}, {"key": "service.name", "value": "two"}]

        assert selector(linked(settings(tags=tags))) == '{one="rides"}'

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (True, "true"),
            (False, "false"),
            (7, "7"),
            (1.0, "1"),
            (0.25, "0.25"),
            (None, ""),
            (b"x", ""),
            (["a", 1], '["a",1]'),
            ({"b": 1, "a": True}, '{"a":true,"b":1}'),
        ],
    )
    def test_values_of_other_types_are_written_as_a_browser_writes_them(self, value: Any, text: str) -> None:
        link = linked(settings(tags=[{"key": "region"}]), a_span({"region": value}))

        assert selector(link) == f'{{region="{text}"}}'

    def test_values_are_not_escaped(self) -> None:
        link = linked(settings(tags=[{"key": "region"}]), a_span({"region": 'a"b\\c'}))

        assert selector(link) == '{region="a"b\\c"}'


class TestCustomQuery:
    def test_it_replaces_the_tags(self) -> None:
        assert selector(custom('{service_name="other"}')) == '{service_name="other"}'

    def test_it_is_not_used_where_custom_query_is_off(self) -> None:
        assert selector(linked(settings(query='{service_name="other"}'))) == '{service_name="rides"}'

    def test_an_empty_one_falls_back_to_the_tags(self) -> None:
        assert selector(custom("")) == '{service_name="rides"}'

    @pytest.mark.parametrize("tags", ["${__tags}", "$__tags", "[[__tags]]"])
    def test_the_tags_can_be_a_part_of_it(self, tags: str) -> None:
        assert selector(custom(f'{{{tags}, region="eu"}}')) == '{service_name="rides", region="eu"}'

    @pytest.mark.parametrize(
        ("variable", "value"),
        [
            ("${__span.spanId}", SPAN_ID),
            ("${__span.traceId}", TRACE_ID),
            ("${__span.name}", "operation"),
            ("${__span.duration}", "1000000"),
            ('${__span.tags["service.name"]}', "rides"),
            ("${__span.tags['service.name']}", "rides"),
            ("${__span.tags.zone}", "z"),
            ("${__trace.traceId}", TRACE_ID),
            ("${__trace.name}", "rides: operation"),
            ("${__trace.duration}", "1000000"),
        ],
    )
    def test_variables_stand_for_the_span_and_its_trace(self, variable: str, value: str) -> None:
        assert selector(custom(f'{{x="{variable}"}}', a_span({"zone": "z"}))) == f'{{x="{value}"}}'

    def test_an_attribute_of_the_span_overrides_that_of_its_resource(self) -> None:
        link = custom('{x="${__span.tags["host.name"]}"}', a_span({"host.name": "other"}))

        assert selector(link) == '{x="other"}'

    def test_the_profile_type_may_hold_variables_too(self) -> None:
        link = linked(settings(profileTypeId="${__span.tags.kind}"), a_span({"kind": CPU}))

        assert link.query is not None
        assert link.query.profile_type == CPU

    @pytest.mark.parametrize(
        ("variable", "words"),
        [
            ('${__span.tags["no.such"]}', "has an attribute 'no.such'"),
            ("${__span.tags.service.name}", "brackets and quotes"),
            ('${__span.tags["a:b"]}', "brackets and quotes"),
            ("${__span.nothing}", "nothing at that path"),
            ("${service}", "knows __tags, __span and __trace only"),
        ],
    )
    def test_an_unresolved_variable_hides_the_button(self, variable: str, words: str) -> None:
        link = custom(f'{{x="{variable}"}}', a_span({"a:b": "c"}))

        assert link.no_button is NoButton.UNRESOLVED_VARIABLE
        assert variable in link.explanation
        assert words in link.explanation

    def test_the_embedded_flame_graph_asks_all_the_same_with_the_text_of_the_variable(self) -> None:
        link = custom('{x="${__span.tags["no.such"]}"}')

        assert link.embedded is not None
        assert link.embedded.label_selector == '{x="${__span.tags["no.such"]}"}'

    def test_an_empty_attribute_counts_as_resolved(self) -> None:
        assert selector(custom('{x="${__span.tags["zone"]}"}', a_span({"zone": ""}))) == '{x=""}'

    def test_only_the_first_use_of_a_variables_name_decides(self) -> None:
        link = custom('{x="${__span.name}", y="${__span.tags["no.such"]}"}')

        assert selector(link) == '{x="operation", y="${__span.tags["no.such"]}"}'

    def test_in_the_other_order_the_same_two_uses_hide_it(self) -> None:
        link = custom('{y="${__span.tags["no.such"]}", x="${__span.name}"}')

        assert link.no_button is NoButton.UNRESOLVED_VARIABLE

    def test_a_variable_of_another_name_decides_for_itself(self) -> None:
        link = custom('{x="${__span.name}", y="${__trace.nothing}"}')

        assert link.no_button is NoButton.UNRESOLVED_VARIABLE

    def test_a_variable_that_grafana_fills_in_later_does_not_hide_it(self) -> None:
        assert selector(custom('{x="${__interval}"}')) == '{x="${__interval}"}'


def test_a_trace_is_called_by_its_earliest_top_span_or_not_at_all() -> None:
    early = a_span(name="first")
    late = replace(early, span_id="00000000000000aa", name="second", start_ns=early.start_ns + 1)
    traces = (Trace.of(TRACE_ID, [late, early]), Trace.of(TRACE_ID, []))

    assert [scope_of(late, trace, "")["__trace"]["name"] for trace in traces] == ["rides: first", ""]
    assert scope_of(late, traces[0], "")["__span"]["name"] == "second"


def test_the_address_of_a_trace_has_whole_milliseconds_a_minute_around_it() -> None:
    span = a_span(start_ns=START_MS * 10**6 + 999_999, end_ns=START_MS * 10**6 + 2_999_999)
    source = DataSource.of(tempo(settings()))

    address = urlsplit(trace_url("http://grafana:3000/", source, Trace.of(span.trace_id, [span])))

    panes = json.loads(parse_qs(address.query)["panes"][0])
    assert (address.netloc, address.path) == ("grafana:3000", "/explore")
    assert panes["a"]["range"] == {"from": str(START_MS - 60_000), "to": str(START_MS + 60_002)}
    (query,) = panes["a"]["queries"]
    assert (query["queryType"], query["query"], query["datasource"]["uid"]) == ("traceql", span.trace_id, "tempo")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        (True, "true"),
        (False, "false"),
        (7, "7"),
        (7.0, "7"),
        (7.5, "7.5"),
        (b"7", ""),
        pytest.param(
            ["ä", 1, b"7"], '["ä",1,""]', id="a list"
        ),  # pytest does not find it by the name that it would give it
        ({"b": 1, "a": [b"7"]}, '{"a":[""],"b":1}'),
    ],
    ids=repr,
)
def test_an_attribute_is_written_as_grafana_writes_it(value: Any, text: str) -> None:
    assert attribute_text(value) == text
