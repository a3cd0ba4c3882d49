"""Settings of shapes that nobody documented: what Grafana's own code makes of each, and that it is said."""

from __future__ import annotations

from typing import Any

import pytest

from spanprofiles.linking.grafana import DataSource, DataSources, Doubt, GrafanaLink, NoButton, javascript, resolve
from spanprofiles.linking.grafana.settings import read
from spanprofiles.model import CPU, Trace
from tests.support.grafana_settings import LOKI, PYROSCOPE, TAGS, a_span, custom, linked, selector, settings, tempo

NAMED = {"service.name": "rides", "service.namespace": "shop"}
BY_DEFAULT = '{service_name="rides", service_namespace="shop"}'


def texts(link: GrafanaLink, doubt: Doubt = Doubt.SETTINGS) -> list[str]:
    return [warning.text for warning in link.warnings if warning.doubt is doubt]


class TestTags:
    @pytest.mark.parametrize(
        "tags",
        [
            ["job", "instance", "pod", "namespace"],
            ["service.name"],
            [7, True, 1.5],
            [["service.name", "service_name"]],
            [{}],
            [{"value": "service_name"}],
            [{"key": None, "value": "service_name"}],
            [{"key": ""}],
            [{"key": 7}],
            [{"Key": "service.name"}],
            [{"name": "service.name", "value": "service_name"}],
        ],
        ids=repr,
    )
    def test_tags_without_a_key_compare_nothing_and_leave_the_button(self, tags: list[Any]) -> None:
        link = linked(settings(tags=tags))

        assert selector(link) == "{}"
        assert link.has_button
        assert len(texts(link, Doubt.TAG_WITHOUT_KEY)) == len(tags)
        assert "write it as {key, value}" in texts(link, Doubt.TAG_WITHOUT_KEY)[0]
        assert Doubt.NO_LABELS in link.doubts

    def test_beside_them_the_others_count(self) -> None:
        link = linked(settings(tags=["job", *TAGS, {"value": "x"}]))

        assert selector(link) == '{service_name="rides"}'
        assert link.doubts == (Doubt.TAG_WITHOUT_KEY, Doubt.TAG_WITHOUT_KEY)

    def test_a_query_that_does_without_tags_is_not_doubted_for_them(self) -> None:
        assert custom('{service_name="rides"}', tags=["job"]).warnings == ()
        assert custom("{${__tags}}", tags=["job"]).doubts == (Doubt.TAG_WITHOUT_KEY, Doubt.NO_LABELS)

    @pytest.mark.parametrize("tags", [None, False, 0, "", []], ids=repr)
    def test_what_counts_as_nothing_means_the_default_tags(self, tags: object) -> None:
        configured = {"datasourceUid": "pyroscope", "profileTypeId": CPU, "tags": tags}

        assert selector(linked(configured, a_span(resource=NAMED))) == BY_DEFAULT

    @pytest.mark.parametrize("tags", [True, 7, {"service.name": "service_name"}, {"key": "x", "value": "y"}], ids=repr)
    def test_what_has_no_length_means_the_default_tags_and_is_said(self, tags: object) -> None:
        link = linked(settings(tags=tags), a_span(resource=NAMED))

        assert selector(link) == BY_DEFAULT
        assert "so Grafana takes its default tags" in texts(link)[0]

    @pytest.mark.parametrize("tags", ["service.name", "job,pod", [None], [*TAGS, None], [None, *TAGS]], ids=repr)
    def test_a_text_or_null_stops_the_trace_view(self, tags: object) -> None:
        link = linked(settings(tags=tags))

        assert link.no_button is NoButton.TRACE_VIEW_FAILS
        assert link.embedded is None
        assert "without null in it" in link.explanation

    def test_null_that_is_never_reached_does_no_harm(self) -> None:
        span = a_span(resource={"service.name": "rides"})
        keys = ["service.name", "pyroscope.profile.id", "spanId", "traceId", "name", "duration"]
        tags = [{"key": key, "value": key.replace(".", "_")} for key in keys]

        assert linked(settings(tags=[*tags, None]), span).has_button
        assert linked(settings(tags=[*tags[1:], None]), span).no_button is NoButton.TRACE_VIEW_FAILS

    def test_where_there_is_no_link_at_all_the_view_is_not_stopped(self) -> None:
        assert linked(settings(tags="job", datasourceUid="nobody")).no_button is NoButton.UNKNOWN_DATASOURCE
        assert linked(settings(tags="job", datasourceUid=None)).no_button is NoButton.NO_DATASOURCE

    @pytest.mark.parametrize(
        ("value", "label"),
        [
            (None, "region"),
            ("", "region"),
            (0, "region"),
            (False, "region"),
            (5, "5"),
            (True, "true"),
            (["a", None, 1], "a,,1"),
            ({"a": 1}, "[object Object]"),
        ],
        ids=repr,
    )
    def test_a_label_of_another_type_is_written_as_a_browser_writes_it(self, value: object, label: str) -> None:
        link = linked(settings(tags=[{"key": "region", "value": value}]), a_span({"region": "eu"}))

        assert selector(link) == f'{{{label}="eu"}}'
        assert bool(texts(link)) is (value is not None and value != "")


class TestCustomQuery:
    @pytest.mark.parametrize("value", [True, "true", "false", "no", 1, -1, [], {}], ids=repr)
    def test_what_counts_as_true_takes_the_query(self, value: object) -> None:
        link = linked(settings(customQuery=value, query='{x="y"}'))

        assert selector(link) == '{x="y"}'
        assert bool(texts(link)) is not isinstance(value, bool)

    @pytest.mark.parametrize("value", [False, None, "", 0, float("nan")], ids=repr)
    def test_what_counts_as_false_does_not(self, value: object) -> None:
        configured = {**settings(query='{x="y"}'), "customQuery": value}

        assert selector(linked(configured)) == '{service_name="rides"}'

    @pytest.mark.parametrize("query", [None, "", 0, False], ids=repr)
    def test_a_query_that_counts_as_nothing_means_the_tags(self, query: object) -> None:
        link = linked({**settings(customQuery=True), "query": query})

        assert selector(link) == '{service_name="rides"}'
        assert link.doubts == (Doubt.CUSTOM_QUERY_MISSING,)

    def test_a_query_that_is_no_text_is_said(self) -> None:
        assert "query is 5 and no text" in texts(linked(settings(customQuery=True, query=5)))[0]


class TestDataSource:
    def reached(self, uid: object, *, default: str = "pyroscope") -> GrafanaLink:
        others = [
            {**provisioned, "isDefault": provisioned["uid"] == default, "id": 3 + n}
            for n, provisioned in enumerate((PYROSCOPE, LOKI))
        ]
        source = DataSource.of(tempo({**settings(), "datasourceUid": uid}))
        span = a_span()
        sources = DataSources([source, *map(DataSource.of, others)])
        return resolve(source, sources, span, Trace.of(span.trace_id, [span]))

    @pytest.mark.parametrize(
        "uid", ["pyroscope", {"uid": "pyroscope", "type": "grafana-pyroscope-datasource"}], ids=repr
    )
    def test_a_mapping_is_taken_for_its_uid(self, uid: object) -> None:
        assert self.reached(uid).query is not None

    @pytest.mark.parametrize(
        "uid", ["default", 7, True, ["pyroscope"], {"type": "grafana-pyroscope-datasource"}], ids=repr
    )
    def test_what_is_no_text_is_the_default_data_source(self, uid: object) -> None:
        link = self.reached(uid)

        assert link.query is not None, link.explanation
        assert link.query.datasource_uid == "pyroscope"
        assert "the default data source is asked for profiles" in texts(link, Doubt.FOUND_BY_NAME)[0]

    def test_the_default_data_source_may_be_the_wrong_one_or_none(self) -> None:
        assert self.reached(7, default="loki").no_button is NoButton.WRONG_TYPE
        missing = self.reached(True, default="nobody")
        assert missing.no_button is NoButton.UNKNOWN_DATASOURCE
        assert "no data source is the default one" in missing.explanation

    def test_a_number_in_quotes_is_the_id_that_grafana_gave(self) -> None:
        link = self.reached("3")

        assert link.query is not None
        assert "the data source's number: the link works, and breaks when it is made anew" in link.warnings[0].text
        assert self.reached("99").no_button is NoButton.UNKNOWN_DATASOURCE

    @pytest.mark.parametrize("uid", [None, "", 0, False], ids=repr)
    def test_what_counts_as_nothing_names_none(self, uid: object) -> None:
        assert self.reached(uid).no_button is NoButton.NO_DATASOURCE


class TestSettings:
    @pytest.mark.parametrize("value", [None, False, 0, ""], ids=repr)
    def test_settings_that_count_as_nothing_are_none(self, value: object) -> None:
        source = DataSource.of({**tempo(), "jsonData": {"tracesToProfiles": value}})

        assert source.traces_to_profiles is None

    @pytest.mark.parametrize("value", [True, 7, "pyroscope", [], [{"datasourceUid": "pyroscope"}]], ids=repr)
    def test_settings_that_are_no_mapping_name_no_data_source(self, value: object) -> None:
        link = linked(value)

        assert link.no_button is NoButton.NO_DATASOURCE
        assert "has no settings in it" in texts(link)[0]

    @pytest.mark.parametrize(
        ("name", "hint"),
        [
            ("datasourceUID", "datasourceUid is meant?"),
            ("dataSourceUid", "datasourceUid is meant?"),
            ("profileTypeID", "profileTypeId is meant?"),
            ("profileType", "profileTypeId is meant?"),
            ("customquery", "customQuery is meant?"),
            ("tag", "tags is meant?"),
            ("mappedTags", "give tags as {key, value}"),
            ("mapTagNamesEnabled", "give tags as {key, value}"),
            ("spanStartTimeShift", "leave it out"),
        ],
    )
    def test_a_name_that_is_not_read_is_said_with_what_is_meant(self, name: str, hint: str) -> None:
        link = linked(settings(**{name: "1m"}))

        assert link.has_button
        assert texts(link) == [f"tracesToProfiles.{name} is not read by Grafana: {hint}"]

    @pytest.mark.parametrize(
        "name", ["tracesToProfilesV2", "traceToProfiles", "traces_to_profiles", "TracesToProfiles"]
    )
    def test_a_leftover_beside_the_settings_does_no_harm_and_is_said(self, name: str) -> None:
        source = {**tempo(settings()), "jsonData": {"tracesToProfiles": settings(), name: {"datasourceUid": "loki"}}}
        read = DataSource.of(source)

        assert read.traces_to_profiles is not None
        assert read.traces_to_profiles.datasource_uid == "pyroscope"
        assert read.notes == (f"jsonData.{name} is not read by Grafana: the name is tracesToProfiles",)

    @pytest.mark.parametrize("name", ["tracesToLogsV2", "tracesToMetrics", "nodeGraph", "traceQuery", "search"])
    def test_other_settings_of_a_tempo_data_source_are_no_leftovers(self, name: str) -> None:
        assert DataSource.of({**tempo(), "jsonData": {name: {}}}).notes == ()

    @pytest.mark.parametrize(("value", "sent"), [(None, ""), (7, "7"), (False, "false"), (["cpu"], "cpu")], ids=repr)
    def test_a_profile_type_that_is_no_text_is_sent_as_one_and_doubted(self, value: object, sent: str) -> None:
        link = linked({**settings(), "profileTypeId": value})

        assert link.query is not None
        assert link.query.profile_type == sent
        assert link.warnings


@pytest.mark.parametrize(
    ("name", "value", "note"),
    [
        ("customQuery", "yes", "customQuery is 'yes', which counts as true: write true or false, without quotes"),
        ("customQuery", 0, "customQuery is 0, which counts as false: write true or false, without quotes"),
        ("customQuery", True, ""),
        ("customQuery", None, ""),
        (
            "datasourceUid",
            {"uid": "pyroscope"},
            "datasourceUid is {'uid': 'pyroscope'} and no text, so Grafana takes its uid: write the uid, in quotes",
        ),
        (
            "datasourceUid",
            7,
            "datasourceUid is 7 and no text, so Grafana takes the default data source: write the uid, in quotes",
        ),
        ("datasourceUid", 0, ""),
        ("profileTypeId", 0, "profileTypeId is 0 and no text, which Grafana cannot send: write it in quotes"),
        ("profileTypeId", None, ""),
        ("query", 5, "query is 5 and no text, which Grafana cannot send: write it in quotes"),
        ("query", 0, ""),
        (
            "tags",
            {"key": "a"},
            "tags is {'key': 'a'} and no list, so Grafana takes its default tags: write a list of {key, value}",
        ),
        ("tags", "a", ""),
        ("tags", None, ""),
        ("tags", [{"key": "a", "value": 7}], "the value of the tag 'a' is 7 and no text: write it in quotes"),
        ("tags", [{"key": "a", "value": "b"}, {"key": "c"}, 7], ""),
    ],
    ids=repr,
)
def test_a_value_of_a_wrong_type_is_said_with_what_comes_of_it(name: str, value: object, note: str) -> None:
    _, notes = read({"tracesToProfiles": {name: value}})

    assert notes == ((note,) if note else ())


@pytest.mark.parametrize(
    ("value", "counts", "text"),
    [
        (None, False, "null"),
        (True, True, "true"),
        (0, False, "0"),
        (-0.0, False, "0"),
        (2.50, True, "2.5"),
        ("", False, ""),
        ("0", True, "0"),
        ([], True, ""),
        ([1, [2, None]], True, "1,2,"),
        ({}, True, "[object Object]"),
    ],
    ids=repr,
)
def test_values_are_read_as_a_browser_reads_them(value: object, counts: bool, text: str) -> None:
    assert javascript.is_true(value) is counts
    assert javascript.text(value) == text
