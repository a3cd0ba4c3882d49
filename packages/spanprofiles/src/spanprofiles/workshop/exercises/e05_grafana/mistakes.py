"""Counts what is still wrong with the observatory's settings, also where one mistake hides another."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace

from spanprofiles.linking.grafana import Doubt, resolve
from spanprofiles.linking.grafana.datasource import PYROSCOPE_TYPE, DataSource, DataSources
from spanprofiles.linking.grafana.selectors import labels, unusable_names
from spanprofiles.model import Span, Trace

_TYPE_DOUBTS = {Doubt.MISSING_PROFILE_TYPE, Doubt.MALFORMED_PROFILE_TYPE, Doubt.OTHER_PROFILE_TYPE}
_LABEL_NAME = re.compile(r"([^\s,{}=!~]+)\s*(?:=~|!~|!=|=)")
_SERVICE = {"service_name", "service.name"}
_QUOTED_VALUE = re.compile(r'(?<==)\s*"(?:[^"\\]|\\.)*"')


def mistakes(sources: DataSources, span: Span, trace: Trace, known_labels: Collection[str]) -> list[str]:
    """Return what is wrong, one short name for each mistake, in the order in which a check tells them.

    Args:
        sources: the settings.
        span: a span that is linked.
        trace: its trace.
        known_labels: the labels that the span's profiles have.

    Raises:
        SettingsError: there is no Tempo data source.
    """
    source, found = sources.tempo(), []
    link = resolve(source, sources, span, trace)
    if link.query is None:
        found.append("datasourceUid")
        link = resolve(_with_profiles(source, sources), sources, span, trace)
        if link.query is None:  # something else keeps the button away: what it hides cannot be told
            return found
    if _TYPE_DOUBTS & set(link.doubts):
        found.append("profileTypeId")
    return [*found, *_of_labels(link.query.label_selector, known_labels)]


def unknown_labels(selector: str, known_labels: Collection[str]) -> list[str]:
    """Return the labels that a selector compares and that no profile has, those with dots left out."""
    refused = unusable_names(selector)
    return [name for name in _compared(selector) if name not in refused and name not in known_labels]


def keys_of_nothing(sources: DataSources, span: Span) -> list[str]:
    """Return the keys of the tags for which the span has no attribute: Grafana leaves these tags out."""
    settings = sources.tempo().traces_to_profiles
    tags = settings.tags if settings is not None else ()
    return [tag.key for tag in tags if not labels(span, [tag])]


def _compared(selector: str) -> dict[str, None]:
    """Return the names of the labels that a selector compares, in its order."""
    return dict.fromkeys(name.strip('"') for name in _LABEL_NAME.findall(_QUOTED_VALUE.sub('""', selector)))


def _of_labels(selector: str, known_labels: Collection[str]) -> Iterator[str]:
    if selector.replace(" ", "") == "{}":
        yield "no label"
    elif not _SERVICE & _compared(selector).keys():  # a tag for an attribute that the span lacks
        yield "no service_name"
    yield from dict.fromkeys(unusable_names(selector))
    yield from unknown_labels(selector, known_labels)


def _with_profiles(source: DataSource, sources: DataSources) -> DataSource:
    """Return the Tempo data source as it would be with the right ``datasourceUid``."""
    settings = source.traces_to_profiles
    uid = next((other.uid for other in sources if other.type == PYROSCOPE_TYPE), "")
    return source if settings is None else replace(source, traces_to_profiles=replace(settings, datasource_uid=uid))
