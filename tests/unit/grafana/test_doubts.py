"""What Grafana accepts in silence though it cannot work: each is said, and its working twin is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from spanprofiles.linking.grafana import Doubt, GrafanaLink
from spanprofiles.model import CPU
from tests.support.grafana_settings import START_MS, a_span, custom, linked, selector, settings


def said(link: GrafanaLink, doubt: Doubt) -> str:
    assert link.has_button, link.explanation
    (text,) = [warning.text for warning in link.warnings if warning.doubt is doubt]
    return text


def test_a_tag_with_dots_and_no_value_is_refused_by_pyroscope() -> None:
    link = linked(settings(tags=[{"key": "service.name", "value": ""}]))

    assert selector(link) == '{service.name="rides"}'
    assert "value: service_name" in said(link, Doubt.DOTTED_LABEL)


@pytest.mark.parametrize("label", ["service_name", '"service.name"'])
def test_a_tag_with_a_value_that_is_a_label_is_not(label: str) -> None:
    assert linked(settings(tags=[{"key": "service.name", "value": label}])).warnings == ()


def test_a_dotted_label_of_a_custom_query_is_seen_too() -> None:
    assert "host.name" in said(custom('{service_name="x", host.name=~"h.*"}'), Doubt.DOTTED_LABEL)


@pytest.mark.parametrize("query", ['{x="${__span.tags["zone"]}"}', "{${__tags}}"])
def test_an_empty_value_is_compared_with_nothing(query: str) -> None:
    link = custom(query, a_span({"zone": ""}), tags=[{"key": "zone", "value": "x"}])

    assert selector(link) == '{x=""}'
    assert "the label x is compared with an empty text" in said(link, Doubt.EMPTY_VALUE)


def test_a_value_that_is_not_empty_is_no_doubt() -> None:
    assert custom('{x="${__span.tags["zone"]}"}', a_span({"zone": "z"})).warnings == ()


NAMESPACE = {"service.name": "rides", "service.namespace": "shop"}


def test_the_default_tags_ask_for_a_namespace_that_profiles_seldom_have() -> None:
    link = linked(settings(tags=None), a_span(resource=NAMESPACE))

    assert 'service_namespace="shop"' in said(link, Doubt.NAMESPACE_BY_DEFAULT)


def test_a_namespace_that_was_configured_is_no_doubt() -> None:
    tags = [{"key": "service.namespace", "value": "service_namespace"}]

    assert linked(settings(tags=tags), a_span(resource=NAMESPACE)).warnings == ()


def test_the_default_without_a_namespace_on_the_span_is_no_doubt() -> None:
    assert linked(settings(tags=None)).warnings == ()


@pytest.mark.parametrize("value", ['say "hi"', "back\\slash", "two\nlines"])
@pytest.mark.parametrize("query", ["{${__tags}}", '{zone="${__span.tags["zone"]}"}'])
def test_a_value_with_quotes_breaks_the_selector(query: str, value: str) -> None:
    link = custom(query, a_span({"zone": value}), tags=[{"key": "zone"}])

    assert link.doubts == (Doubt.UNESCAPED_VALUE,)


def test_an_attribute_with_quotes_that_is_not_used_is_no_doubt() -> None:
    assert linked(settings(), a_span({"zone": 'say "hi"'})).warnings == ()


def test_an_attribute_on_span_and_resource_is_asked_for_twice() -> None:
    link = linked(settings(), a_span({"service.name": "other"}))

    assert selector(link) == '{service_name="rides", service_name="other"}'
    assert "both 'rides' and 'other'" in said(link, Doubt.CONTRADICTION)


def test_the_same_value_on_both_is_no_contradiction() -> None:
    assert linked(settings(), a_span({"service.name": "rides"})).warnings == ()


@pytest.mark.parametrize(
    ("profile_type", "doubt"),
    [
        (None, Doubt.MISSING_PROFILE_TYPE),
        ("", Doubt.MISSING_PROFILE_TYPE),
        ("cpu", Doubt.MALFORMED_PROFILE_TYPE),
        ("process_cpu:cpu", Doubt.MALFORMED_PROFILE_TYPE),
        ("memory:inuse_space:bytes:space:bytes", Doubt.OTHER_PROFILE_TYPE),
    ],
)
def test_a_wrong_profile_type_is_named(profile_type: str | None, doubt: Doubt) -> None:
    text = said(linked(settings(profileTypeId=profile_type)), doubt)

    assert "profileTypeId" in text
    assert CPU in text


@pytest.mark.parametrize("profile_id", ["", "abc", "not-hexadecimal!", "6605c7b08e715d6c00", 7])
def test_a_malformed_profile_id_is_sent_as_it_is(profile_id: Any) -> None:
    link = linked(settings(), a_span(profile_id=profile_id))

    assert link.query is not None
    assert link.query.span_selector == (str(profile_id),)
    assert "refuses it with 500" in said(link, Doubt.MALFORMED_PROFILE_ID)


def test_a_profile_id_in_upper_case_is_no_doubt() -> None:
    assert linked(settings(), a_span(profile_id="6605C7B08E715D6C")).warnings == ()


def test_a_second_variable_that_stands_for_nothing_is_sent_as_text() -> None:
    link = custom('{x="${__span.name}", y="${__span.tags["no.such"]}"}')

    assert "only the first use of $__span decides" in said(link, Doubt.LITERAL_TEXT)


def test_a_variable_without_a_path_is_sent_as_an_object() -> None:
    link = custom('{x="${__span}"}')

    assert selector(link) == '{x="[object Object]"}'
    assert "name one of its parts" in said(link, Doubt.OBJECT_TEXT)


@pytest.mark.parametrize("variable", ["${__interval}", "${__span.name:regex}"])
def test_what_only_grafana_fills_in_is_named(variable: str) -> None:
    assert custom(f'{{x="{variable}"}}').doubts == (Doubt.NOT_WORKED_OUT,)


def test_a_query_without_custom_query_is_not_used() -> None:
    link = linked(settings(query='{service_name="other"}'))

    assert selector(link) == '{service_name="rides"}'
    assert "set customQuery to true" in said(link, Doubt.QUERY_IGNORED)


def test_a_custom_query_without_a_query_falls_back_to_the_tags() -> None:
    link = linked(settings(customQuery=True))

    assert selector(link) == '{service_name="rides"}'
    assert "the tags are used" in said(link, Doubt.CUSTOM_QUERY_MISSING)


def test_without_any_tag_on_the_span_all_services_are_searched() -> None:
    assert said(linked(settings(tags=[{"key": "no.such", "value": "x"}])), Doubt.NO_LABELS)


def test_a_data_source_found_by_its_name_works_until_it_is_renamed() -> None:
    link = linked(settings(datasourceUid="Profiles"))

    assert link.query is not None
    assert link.query.datasource_uid == "pyroscope"
    assert "the uid 'pyroscope'" in said(link, Doubt.FOUND_BY_NAME)


def test_a_span_of_a_day_is_too_long_for_pyroscope() -> None:
    day_ns = 24 * 3600 * 10**9

    assert said(linked(settings(), a_span(end_ns=START_MS * 10**6 + day_ns)), Doubt.WINDOW_TOO_LONG)
    assert linked(settings(), a_span(end_ns=START_MS * 10**6 + day_ns - 120 * 10**9)).warnings == ()


WHOLE: dict[Doubt, tuple[Callable[[], GrafanaLink], str]] = {
    Doubt.FOUND_BY_NAME: (
        lambda: linked(settings(datasourceUid="Profiles")),
        "datasourceUid is 'Profiles', the data source's name: the link works, and breaks when somebody renames it; set"
        " it to the uid 'pyroscope'",
    ),
    Doubt.QUERY_IGNORED: (
        lambda: linked(settings(query="{x}")),
        "the query '{x}' is not used: set customQuery to true, or remove it",
    ),
    Doubt.CUSTOM_QUERY_MISSING: (
        lambda: linked(settings(customQuery=True)),
        "customQuery is true and query is empty: the tags are used; set customQuery to false, or give a query",
    ),
    Doubt.MISSING_PROFILE_TYPE: (
        lambda: linked(settings(profileTypeId=None)),
        f"profileTypeId is missing, and Pyroscope refuses a query without one with 400: set it to {CPU!r}",
    ),
    Doubt.MALFORMED_PROFILE_TYPE: (
        lambda: linked(settings(profileTypeId="cpu")),
        "profileTypeId is 'cpu', and Pyroscope refuses it with 400: it must be name:type:unit:period type:period unit,"
        f" such as {CPU!r}",
    ),
    Doubt.OTHER_PROFILE_TYPE: (
        lambda: linked(settings(profileTypeId="a:b:c:d:e")),
        f"profileTypeId is 'a:b:c:d:e', not CPU time ({CPU!r}): it finds samples only where the agent puts span IDs on"
        " samples of that type",
    ),
    Doubt.MALFORMED_PROFILE_ID: (
        lambda: linked(settings(), a_span(profile_id="7")),
        "the profile ID '7' is not 16 hexadecimal digits, and Pyroscope refuses it with 500: the span processor must"
        " set the attribute to the span's ID",
    ),
    Doubt.WINDOW_TOO_LONG: (
        lambda: linked(settings(), a_span(end_ns=START_MS * 10**6 + 24 * 3600 * 10**9)),
        "the span and a minute on either side are more than 24 h, and Pyroscope refuses that with 400",
    ),
    Doubt.NOT_WORKED_OUT: (
        lambda: custom('{x="${__interval}"}'),
        "${__interval} is filled in by Grafana when the query runs, and not here: the query that is sent differs",
    ),
    Doubt.LITERAL_TEXT: (
        lambda: custom('{x="${__span.name}", y="${__span.x}"}'),
        "${__span.x} stands for nothing and is sent as this text, since only the first use of $__span decides whether"
        " the link is there: no profile will match; leave it out or correct it",
    ),
    Doubt.OBJECT_TEXT: (
        lambda: custom('{x="${__span}"}'),
        "${__span} is sent as '[object Object]': name one of its parts, such as ${__span.name} or"
        ' ${__span.tags["service.name"]}',
    ),
    Doubt.TAG_WITHOUT_KEY: (
        lambda: linked(settings(tags=[{"value": "x"}])),
        "the tag {'value': 'x'} has no key that is a text, so it compares nothing: write it as {key, value}",
    ),
    Doubt.NAMESPACE_BY_DEFAULT: (
        lambda: linked(settings(tags=None), a_span(resource=NAMESPACE)),
        'no tags are configured, so service_namespace="shop" is asked for: where the agent does not set that label'
        " nothing is found; set tags, for instance service.name -> service_name only",
    ),
    Doubt.CONTRADICTION: (
        lambda: linked(settings(), a_span({"service.name": "other"})),
        "the label service_name is compared with both 'rides' and 'other', so nothing is found: an attribute is on"
        " span and resource, or two tags have one label; map 'service.name' to another",
    ),
    Doubt.DOTTED_LABEL: (
        lambda: linked(settings(tags=[{"key": "service.name"}])),
        "the label service.name has a form that Pyroscope refuses with 400: the label of the profiles is written with"
        " letters, digits and underscores; give the tag that name, value: service_name",
    ),
    Doubt.EMPTY_VALUE: (
        lambda: custom('{x="${__span.tags["zone"]}"}', a_span({"zone": ""})),
        "the label x is compared with an empty text, which only profiles without that label match: the attribute is"
        " there and empty",
    ),
    Doubt.NO_LABELS: (
        lambda: linked(settings(tags=[{"key": "no.such"}])),
        "the selector is {}: the profiles of all services are searched for the span, which is slow where there are"
        " many; set tags that the span has",
    ),
    Doubt.UNESCAPED_VALUE: (
        lambda: linked(settings(tags=[{"key": "zone"}]), a_span({"zone": 'a"b'})),
        "the value of zone is 'a\"b', which Grafana does not escape: Pyroscope refuses the selector with 400 or"
        " understands another one; leave it out",
    ),
}


@pytest.mark.parametrize("doubt", WHOLE, ids=lambda doubt: doubt.name)
def test_a_doubt_says_what_is_wrong_and_what_to_change(doubt: Doubt) -> None:
    link, text = WHOLE[doubt]

    assert said(link(), doubt) == text


def test_every_doubt_but_that_of_settings_is_among_these() -> None:
    assert set(Doubt) - set(WHOLE) == {Doubt.SETTINGS}


def test_the_name_of_a_label_is_proposed_in_its_own_letters() -> None:
    link = linked(settings(tags=[{"key": "Host.Name-2"}]), a_span({"Host.Name-2": "h"}))

    assert said(link, Doubt.DOTTED_LABEL).endswith("give the tag that name, value: Host_Name_2")
