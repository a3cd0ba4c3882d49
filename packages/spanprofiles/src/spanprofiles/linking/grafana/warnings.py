"""Doubts about a link that is there: what Grafana sends without a word though Pyroscope cannot answer it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from spanprofiles.linking.grafana import selectors
from spanprofiles.linking.grafana.datasource import DataSource
from spanprofiles.linking.grafana.outcome import Doubt, LinkWarning, SpanProfileQuery
from spanprofiles.linking.grafana.selectors import Label
from spanprofiles.linking.grafana.settings import DEFAULT_DATASOURCE, TraceToProfiles
from spanprofiles.linking.grafana.variables import BUILT_IN, Use
from spanprofiles.model import CPU

_PROFILE_ID = re.compile(r"[0-9a-fA-F]{16}")
_PROFILE_TYPE = re.compile(r"[^:]+(:[^:]+){4}")
_EMPTY_COMPARISON = re.compile(r'([^\s,{}=!~]+)\s*=~?\s*""')
_LONGEST_MS = 24 * 3600 * 1000


def warnings_of(
    source: DataSource, target: DataSource, query: SpanProfileQuery, compared: Sequence[Label], used: Sequence[Use]
) -> Iterator[LinkWarning]:
    """Yield what is doubtful about a link.

    Args:
        source: the Tempo data source; it has settings for Trace to profiles.
        target: the Pyroscope data source.
        query: what the button sends.
        compared: the labels made of tags.
        used: the uses of variables in the custom query; empty where none is in force.
    """
    settings = source.traces_to_profiles or TraceToProfiles()
    custom = settings.query if settings.custom_query else ""
    yield from notes_of(source)
    yield from _of_settings(settings, target)
    yield from _of_profile(query)
    yield from _of_variables(used)
    sent = compared
    if not custom or any(use.name == "__tags" for use in used):
        yield from _of_keyless(settings)
    else:
        sent = []
    yield from _of_tags(settings, sent)
    yield from _of_selector(query.label_selector, sent, used)


def notes_of(source: DataSource) -> Iterator[LinkWarning]:
    """Yield what was noticed while the data source's settings were read."""
    return (LinkWarning(Doubt.SETTINGS, note) for note in source.notes)


def _of_settings(settings: TraceToProfiles, target: DataSource) -> Iterator[LinkWarning]:
    if settings.datasource_uid == DEFAULT_DATASOURCE:
        yield LinkWarning(
            Doubt.FOUND_BY_NAME,
            "the default data source is asked for profiles: the link works, and breaks when another one becomes that;"
            f" set datasourceUid to the uid {target.uid!r}",
        )
    elif settings.datasource_uid != target.uid:
        by_name = settings.datasource_uid == target.name
        kind, cause = ("name", "somebody renames it") if by_name else ("number", "it is made anew")
        yield LinkWarning(
            Doubt.FOUND_BY_NAME,
            f"datasourceUid is {settings.datasource_uid!r}, the data source's {kind}: the link works, and breaks when"
            f" {cause}; set it to the uid {target.uid!r}",
        )
    if settings.query and not settings.custom_query:
        yield LinkWarning(
            Doubt.QUERY_IGNORED, f"the query {settings.query!r} is not used: set customQuery to true, or remove it"
        )
    if settings.custom_query and not settings.query:
        yield LinkWarning(
            Doubt.CUSTOM_QUERY_MISSING,
            "customQuery is true and query is empty: the tags are used; set customQuery to false, or give a query",
        )


def _of_profile(query: SpanProfileQuery) -> Iterator[LinkWarning]:
    profile_type, profile_id = query.profile_type, query.span_selector[0]
    if not profile_type:
        yield LinkWarning(
            Doubt.MISSING_PROFILE_TYPE,
            f"profileTypeId is missing, and Pyroscope refuses a query without one with 400: set it to {CPU!r}",
        )
    elif not _PROFILE_TYPE.fullmatch(profile_type):
        yield LinkWarning(
            Doubt.MALFORMED_PROFILE_TYPE,
            f"profileTypeId is {profile_type!r}, and Pyroscope refuses it with 400: it must be"
            f" name:type:unit:period type:period unit, such as {CPU!r}",
        )
    elif profile_type != CPU:
        yield LinkWarning(
            Doubt.OTHER_PROFILE_TYPE,
            f"profileTypeId is {profile_type!r}, not CPU time ({CPU!r}): it finds samples only where the agent puts"
            " span IDs on samples of that type",
        )
    if not _PROFILE_ID.fullmatch(profile_id):
        yield LinkWarning(
            Doubt.MALFORMED_PROFILE_ID,
            f"the profile ID {profile_id!r} is not 16 hexadecimal digits, and Pyroscope refuses it with 500: the span"
            " processor must set the attribute to the span's ID",
        )
    if query.end_ms - query.start_ms > _LONGEST_MS:
        yield LinkWarning(
            Doubt.WINDOW_TOO_LONG,
            "the span and a minute on either side are more than 24 h, and Pyroscope refuses that with 400",
        )


def _of_variables(used: Sequence[Use]) -> Iterator[LinkWarning]:
    for use in used:
        if use.name in BUILT_IN or use.is_formatted:
            yield LinkWarning(
                Doubt.NOT_WORKED_OUT,
                f"{use.text} is filled in by Grafana when the query runs, and not here: the query that is sent differs",
            )
        elif use.value is None:
            yield LinkWarning(
                Doubt.LITERAL_TEXT,
                f"{use.text} stands for nothing and is sent as this text, since only the first use of ${use.name}"
                " decides whether the link is there: no profile will match; leave it out or correct it",
            )
        elif use.is_object:
            yield LinkWarning(
                Doubt.OBJECT_TEXT,
                f"{use.text} is sent as {use.value!r}: name one of its parts, such as ${{__span.name}} or"
                ' ${__span.tags["service.name"]}',
            )
        if use.value is not None and use.name != "__tags" and selectors.needs_escape(use.value):
            yield _unescaped(use.text, use.value)


def _of_keyless(settings: TraceToProfiles) -> Iterator[LinkWarning]:
    for written in settings.keyless:
        yield LinkWarning(
            Doubt.TAG_WITHOUT_KEY,
            f"the tag {written} has no key that is a text, so it compares nothing: write it as {{key, value}}",
        )


def _of_tags(settings: TraceToProfiles, compared: Sequence[Label]) -> Iterator[LinkWarning]:
    by_default = [label for label in compared if label.key == "service.namespace" and not settings.has_tags]
    if by_default:
        yield LinkWarning(
            Doubt.NAMESPACE_BY_DEFAULT,
            f"no tags are configured, so {by_default[0]} is asked for: where the agent does not set that label nothing"
            " is found; set tags, for instance service.name -> service_name only",
        )
    for label in compared:
        if selectors.needs_escape(label.value):
            yield _unescaped(label.key, label.value)
    values: dict[str, str] = {}
    for label in compared:
        first = values.setdefault(label.name, label.value)
        if first != label.value:
            yield LinkWarning(
                Doubt.CONTRADICTION,
                f"the label {label.name} is compared with both {first!r} and {label.value!r}, so nothing is found: an"
                f" attribute is on span and resource, or two tags have one label; map {label.key!r} to another",
            )


def _of_selector(selector: str, compared: Sequence[Label], used: Sequence[Use]) -> Iterator[LinkWarning]:
    values = [label.value for label in compared] + [use.value for use in used if use.value and use.name != "__tags"]
    if any(selectors.needs_escape(value) for value in values):
        return  # its parts look alike
    for name in selectors.unusable_names(selector):
        yield LinkWarning(
            Doubt.DOTTED_LABEL,
            f"the label {name} has a form that Pyroscope refuses with 400: the label of the profiles is written with"
            f" letters, digits and underscores; give the tag that name, value: {_plain(name)}",
        )
    for name in _EMPTY_COMPARISON.findall(selector):
        yield LinkWarning(
            Doubt.EMPTY_VALUE,
            f"the label {name} is compared with an empty text, which only profiles without that label match: the"
            " attribute is there and empty",
        )
    if selector.replace(" ", "") == "{}":
        yield LinkWarning(
            Doubt.NO_LABELS,
            "the selector is {}: the profiles of all services are searched for the span, which is slow where there are"
            " many; set tags that the span has",
        )


def _plain(name: str) -> str:
    """Return the form in which agents write a label of that name."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name)


def _unescaped(source: str, value: str) -> LinkWarning:
    return LinkWarning(
        Doubt.UNESCAPED_VALUE,
        f"the value of {source} is {value!r}, which Grafana does not escape: Pyroscope refuses the selector with 400 or"
        " understands another one; leave it out",
    )
