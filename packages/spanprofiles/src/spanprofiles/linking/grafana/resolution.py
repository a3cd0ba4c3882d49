"""Grafana's rules for the link from a span to its profile, in Python: no I/O, no Grafana needed.

The rules are those of Grafana 13.1, read from its code: the data link of the Tempo data source, the link of the trace
view, the flame graph in the span's details. ``docs/reference/grafana-link.md`` has them in prose.
"""

from __future__ import annotations

from collections.abc import Iterator

from spanprofiles.linking.grafana import selectors
from spanprofiles.linking.grafana.datasource import PYROSCOPE_TYPE, TEMPO_TYPE, DataSource, DataSources
from spanprofiles.linking.grafana.outcome import GrafanaLink, NoButton, SpanProfileQuery
from spanprofiles.linking.grafana.settings import DEFAULT_DATASOURCE, TraceToProfiles
from spanprofiles.linking.grafana.variables import BUILT_IN, Scope, Use, attribute_text, replace, scope_of, uses
from spanprofiles.linking.grafana.warnings import notes_of, warnings_of
from spanprofiles.model import PROFILE_ID_ATTRIBUTE, Span, Trace
from spanprofiles.model.margins import BUTTON_MARGIN_MS, EMBEDDED_MARGIN_MS

_TAGS_ONLY = "{${__tags}}"
_PROFILE_ID = f'${{__span.tags["{PROFILE_ID_ATTRIBUTE}"]}}'
_TITLE = "Related profiles"
_MS = 1_000_000  # ns


class _NoButtonFound(Exception):  # noqa: N818  # no failure: a reason on its way to the link
    def __init__(self, reason: NoButton, explanation: str) -> None:
        self.reason = reason
        self.explanation = explanation
        super().__init__(explanation)


def resolve(source: DataSource, sources: DataSources, span: Span, trace: Trace) -> GrafanaLink:
    """Work out whether a span has the button "Profiles for this span", and what it sends.

    Args:
        source: the Tempo data source that opens the trace.
        sources: all data sources of the same Grafana.
        span: the span.
        trace: the trace it belongs to.
    """
    try:
        settings, target = _settings(source, sources, span)
        profile_id = _profile_id(span)
    except _NoButtonFound as missing:
        notes = () if missing.reason is NoButton.NO_PROFILE_ID else tuple(notes_of(source))
        return GrafanaLink(span, source, no_button=missing.reason, explanation=missing.explanation, warnings=notes)
    compared = selectors.labels(span, settings.compared_tags)
    scope = scope_of(span, trace, selectors.joined(compared))
    selector = settings.query if settings.custom_query and settings.query else _TAGS_ONLY
    embedded = _query(target, span, EMBEDDED_MARGIN_MS, replace(selector, scope), profile_id, settings.profile_type)
    hidden_by = _hidden_by(settings, target, selector, scope)
    if hidden_by is not None:
        explanation = _unresolved(hidden_by, source)
        return GrafanaLink(span, source, None, embedded, NoButton.UNRESOLVED_VARIABLE, explanation)
    query = _query(
        target,
        span,
        BUTTON_MARGIN_MS,
        replace(selector, scope),
        replace(_PROFILE_ID, scope),
        replace(settings.profile_type, scope),
    )
    found = uses(selector, scope) if selector is not _TAGS_ONLY else []
    warnings = tuple(warnings_of(source, target, query, compared, found))
    return GrafanaLink(span, source, query, embedded, warnings=warnings)


def resolve_trace(source: DataSource, sources: DataSources, trace: Trace) -> list[GrafanaLink]:
    """Work it out for each span of a trace that carries a profile ID, in order of start."""
    return [resolve(source, sources, span, trace) for span in trace.spans if PROFILE_ID_ATTRIBUTE in span.attributes]


def _settings(source: DataSource, sources: DataSources, span: Span) -> tuple[TraceToProfiles, DataSource]:
    settings = source.traces_to_profiles
    if source.type != TEMPO_TYPE:
        raise _NoButtonFound(
            NoButton.NOT_A_TEMPO_SOURCE,
            f"the data source {source.uid!r} is of type {source.type!r}: only a data source of type {TEMPO_TYPE!r}"
            " links traces to profiles",
        )
    if settings is None:
        raise _NoButtonFound(
            NoButton.NOT_CONFIGURED,
            f"the data source {source.uid!r} has no jsonData.tracesToProfiles: add it, with datasourceUid and"
            " profileTypeId",
        )
    wanted = settings.datasource_uid
    if not wanted:
        raise _NoButtonFound(
            NoButton.NO_DATASOURCE,
            f"jsonData.tracesToProfiles.datasourceUid of the data source {source.uid!r} is missing or empty: set it to"
            " the uid of the Pyroscope data source",
        )
    target = sources.find(wanted, source.organization)
    usable = ", ".join(_pyroscopes(sources, source)) or "none"
    if target is None:
        raise _NoButtonFound(
            NoButton.UNKNOWN_DATASOURCE,
            f"jsonData.tracesToProfiles.datasourceUid of the data source {source.uid!r} is {wanted!r}, and no data"
            f" source {_has(wanted)}: set it to that of a Pyroscope data source (there are: {usable})",
        )
    failing = selectors.fails_at(span, settings)
    if failing is not None:
        raise _NoButtonFound(
            NoButton.TRACE_VIEW_FAILS,
            f"the tags of the data source {source.uid!r} stop Grafana's trace view with an error, as soon as it looks"
            f" for {failing!r}: jsonData.tracesToProfiles.tags must be a list of {{key, value}}, without null in it",
        )
    if target.type != PYROSCOPE_TYPE:
        raise _NoButtonFound(
            NoButton.WRONG_TYPE,
            f"the data source {wanted!r} is of type {target.type!r}, and only {PYROSCOPE_TYPE!r} gets a button: correct"
            f" its type, or name another in datasourceUid (there are: {usable})",
        )
    return settings, target


def _has(wanted: str) -> str:
    return "is the default one" if wanted == DEFAULT_DATASOURCE else "has that uid"


def _pyroscopes(sources: DataSources, source: DataSource) -> list[str]:
    """Return the UIDs that would do."""
    beside = (other for other in sources if other.organization == source.organization)
    return [repr(other.uid) for other in beside if other.type == PYROSCOPE_TYPE]


def _profile_id(span: Span) -> str:
    if PROFILE_ID_ATTRIBUTE in span.attributes:
        return attribute_text(span.attributes[PROFILE_ID_ATTRIBUTE])
    where = "its resource has one, which does not count" if PROFILE_ID_ATTRIBUTE in span.resource else ""
    raise _NoButtonFound(
        NoButton.NO_PROFILE_ID,
        f"the span {span.span_id} ({span.name}) has no attribute {PROFILE_ID_ATTRIBUTE}"
        + (f": {where}" if where else ": only local root spans get one, from the span processor in the app"),
    )


def _query(
    target: DataSource, span: Span, margin_ms: int, selector: str, profile_id: str, profile_type: str
) -> SpanProfileQuery:
    return SpanProfileQuery(
        datasource_uid=target.uid,
        label_selector=selector,
        span_selector=(profile_id,),
        profile_type=profile_type,
        start_ms=span.start_ns // _MS - margin_ms,
        end_ms=span.end_ns // _MS + margin_ms,
    )


def _hidden_by(settings: TraceToProfiles, target: DataSource, selector: str, scope: Scope) -> Use | None:
    """Return the use of a variable that hides the link: unknown, and the first use of its name in the data link."""
    data_link = [_TITLE, target.uid, target.name, selector, settings.profile_type, _PROFILE_ID]
    return next((use for use in _first_uses(" ".join(data_link), scope) if use.value is None), None)


def _first_uses(text: str, scope: Scope) -> Iterator[Use]:
    seen = set(BUILT_IN)
    for use in uses(text, scope):
        if use.name not in seen:
            seen.add(use.name)
            yield use


def _unresolved(use: Use, source: DataSource) -> str:
    if use.attribute is not None:
        cause = f"neither the span nor its resource has an attribute {use.attribute!r}"
    elif use.name in {"__span", "__trace", "__tags"}:
        cause = (
            "there is nothing at that path (an attribute's name belongs in brackets and quotes,"
            ' ${__span.tags["service.name"]}, and one with : ^ or } cannot be named)'
        )
    else:
        cause = "a custom query knows __tags, __span and __trace only"
    return f"the query of the data source {source.uid!r} uses {use.text}, and {cause}: correct it, or leave it out"
