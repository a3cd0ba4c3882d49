"""Asks for the samples of each span."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from spanprofiles.clients import ProfileQuery, ProfileSeries
from spanprofiles.doctor.collectors.case import Case
from spanprofiles.doctor.collectors.queries import exemplars, own_ids, refused, valid_ids
from spanprofiles.doctor.collectors.unlabelled import unlabelled_functions
from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.observations import LabelCheck, Link, LinkFacts, Place, ProfileFacts
from spanprofiles.doctor.processes import ProcessLabel, process_label
from spanprofiles.model import FlameGraph, Span, label_selector
from spanprofiles.model.margins import BUTTON_MARGIN_S, EMBEDDED_MARGIN_S
from spanprofiles.model.profile_types import ProfileType
from spanprofiles.model.selector import measures_cpu, narrowed, without_span

_AT_ONCE = 50
_DATED = 4
_CHECKED = 16
_NEIGHBOURS = 6

# A profile that began so long after a span's end holds no sample of it, however it is dated.
_LATE_MS = 3_000
_LATE_FOR_MS = 1_800_000
_ARRIVES_WITHIN_MS = 1_000


def collect_links(case: Case, facts: Facts) -> Facts:
    """Add the samples of the newest spans; and where some have none, what was refused and where their CPU may be.

    Raises:
        ClientError: Pyroscope failed.
    """
    profiles = facts.profiles or ProfileFacts()
    case = case.looking_at(profiles)
    found = _links(case, facts.roots.carrying, profiles)
    if not all(link.is_linked for link in found.links):  # what was refused may explain it
        profiles = replace(profiles, refused=refused(case))
    facts = replace(facts, links=found, profiles=profiles)
    return replace(facts, links=replace(found, unlabelled_functions=unlabelled_functions(case, facts)))


def _links(case: Case, carrying: Sequence[Span], profiles: ProfileFacts) -> LinkFacts:
    """Ask for the samples of the newest spans, given those with a profile ID, the newest first."""
    spans = _chosen(case, carrying)
    label = process_label(spans, profiles.series)
    # asked before the spans: what is there now is there for them as well
    uploads = [
        _in_time(case, series) for series in case.pyroscope.totals(case.window(), case.question.step_s, _labels(label))
    ]
    found = _located(case, case.each(lambda span: _near(case, span), spans))
    names = profiles.has_span_names
    is_linked = any(link.is_linked for link in found)
    seen = exemplars(case) if not is_linked else ()
    unlabelled: Sequence[ProfileSeries] | None = uploads
    if not measures_cpu(case.profile_type):
        unlabelled = None
    elif names:
        unlabelled = case.pyroscope.totals(
            case.window(without_span(case.selector)), case.question.step_s, _labels(label)
        )
    return LinkFacts(
        links=tuple(found),
        exemplars=seen,
        checks=tuple(_checks(case, found, with_names=names)),
        uploads=tuple(uploads),
        unlabelled=None if unlabelled is None else tuple(unlabelled),
        unlabelled_is_exact=names or (seen == () and not is_linked),
        step_s=case.question.step_s,
        process_label=label,
    )


def _labels(label: ProcessLabel | None) -> list[str]:
    return [label.label] if label else []


def _in_time(case: Case, series: ProfileSeries) -> ProfileSeries:
    """Return a series of counts as time, ns."""
    kind = ProfileType.of(case.profile_type)
    return replace(series, points=tuple((date_ms, float(kind.time_ns(value))) for date_ms, value in series.points))


def _chosen(case: Case, carrying: Sequence[Span]) -> list[Span]:
    usable = [span for span in carrying if own_ids(span)]
    usable.sort(key=lambda span: span.trace_id != case.question.trace_id)  # stable: the newest of each stay first
    return usable[: case.most_spans]


def _near(case: Case, span: Span) -> Link:
    for asked in case.each_type:
        found = case.pyroscope.span_profile(asked.around(span, EMBEDDED_MARGIN_S), valid_ids([span]))
        if not found.is_empty:
            return Link(span, Place.EMBEDDED, _time_ns(asked, found), profile_type=asked.profile_type)
    return Link(span, Place.NOWHERE, profile_type=case.profile_type)


def _time_ns(case: Case, found: FlameGraph) -> int:
    return ProfileType.of(case.profile_type).time_ns(found.total)


def _located(case: Case, found: list[Link]) -> list[Link]:
    """Look further away for the samples of spans that have none near by."""
    for asked in case.each_type:
        missing = [link for link in found if not link.is_linked]
        somewhere: set[str] = set()
        for start in range(0, len(missing), _AT_ONCE):
            some = [link.span for link in missing[start : start + _AT_ONCE]]
            if not case.pyroscope.span_profile(asked.far_around(some), valid_ids(some)).is_empty:
                somewhere |= {span.span_id for span in some}
        far = [link for link in missing if link.span.span_id in somewhere]
        located = {link.span.span_id: link for link in case.each(partial(_far, asked), far)}
        found = [located.get(link.span.span_id, link) for link in found]
    away = [link for link in found if link.is_earlier is not None]
    ends = [*away[: _DATED // 2], *away[max(_DATED // 2, len(away) - _DATED // 2) :]]
    dated = {
        link.span.span_id: link for link in case.each(lambda link: _dated(case.of_type(link.profile_type), link), ends)
    }
    return [dated.get(link.span.span_id, link) for link in found]


def _far(case: Case, link: Link) -> Link:
    span, ids = link.span, valid_ids([link.span])
    wide = case.far_around([span])
    whole = case.pyroscope.span_profile(wide, ids)
    if whole.is_empty:
        return link
    again = _near(case, span)
    if again.is_linked:  # the upload came between the two queries
        return again
    by_button = not case.pyroscope.span_profile(case.around(span, BUTTON_MARGIN_S), ids).is_empty
    earlier = replace(wide, end_ms=span.start_ns // 1_000_000 - EMBEDDED_MARGIN_S * 1000)
    is_earlier = not case.pyroscope.span_profile(earlier, ids).is_empty
    place = Place.BUTTON if by_button else Place.OUTSIDE
    return Link(span, place, _time_ns(case, whole), is_earlier=is_earlier, profile_type=case.profile_type)


def _dated(case: Case, link: Link) -> Link:
    """Find the date of the first profile with the span's samples, to the second, by bisection."""
    ids = valid_ids([link.span])
    wide = case.far_around([link.span])
    low, high = wide.start_ms, wide.end_ms
    while high - low > 1000:
        middle = (low + high) // 2
        if case.pyroscope.span_profile(replace(wide, end_ms=middle), ids).is_empty:
            low = middle
        else:
            high = middle
    return replace(link, dated_ms=high)


def _checks(case: Case, found: Sequence[Link], *, with_names: bool) -> list[LabelCheck]:
    """Check the labels of some linked spans that ended a while ago.

    Half of them are those with the most CPU for their duration, because a span whose labels stay on a thread goes on
    collecting samples. The others are spread evenly over time.
    """
    ended_before_ns = case.question.now_ns - (_LATE_MS + _ARRIVES_WITHIN_MS) * 1_000_000
    usable = [link for link in found if link.place is Place.EMBEDDED and link.span.end_ns < ended_before_ns]
    by_load = sorted(usable, key=lambda link: -link.cpu_ns / max(1, link.span.duration_ns))[: _CHECKED // 2]
    rest = [link for link in usable if link not in by_load]
    every = max(1, -(-len(rest) // (_CHECKED // 2)))
    chosen = [*by_load, *rest[::every]]
    of_each = {link.span.span_id: case.of_type(link.profile_type) for link in chosen}
    checks = case.each(lambda link: _check(of_each[link.span.span_id], link.span, with_names=with_names), chosen)
    spans = [link.span for link in found]
    foreign = [check for check in checks if check.foreign_ns]
    neighbours = case.each(lambda check: _with_neighbours(of_each[check.span.span_id], check, spans), foreign)
    told = {check.span.span_id: check for check in neighbours}
    return [told.get(check.span.span_id, check) for check in checks]


def _check(case: Case, span: Span, *, with_names: bool) -> LabelCheck:
    ids, end_ms = own_ids(span), span.end_ns // 1_000_000
    late_query = ProfileQuery(case.selector, end_ms + _LATE_MS, end_ms + _LATE_FOR_MS, case.profile_type)
    late_ns = _time_ns(case, case.pyroscope.span_profile(late_query, ids))
    if late_ns:  # a span with samples only after its end has a clock that is ahead
        on_time = replace(case.around(span, BUTTON_MARGIN_S), end_ms=end_ms + _LATE_MS)
        late_ns = 0 if case.pyroscope.span_profile(on_time, ids).is_empty else late_ns
    if not with_names:
        return LabelCheck(span, late_ns)
    others = case.around(span, EMBEDDED_MARGIN_S, _with_another_name(case.selector, span.name))
    return LabelCheck(span, late_ns, _time_ns(case, case.pyroscope.span_profile(others, ids)))


def _with_neighbours(case: Case, check: LabelCheck, spans: Sequence[Span]) -> LabelCheck:
    """Add whose names its foreign samples carry, and what its own name is on."""
    span, ids = check.span, own_ids(check.span)
    beside = {other.name for other in spans if other.start_ns < span.end_ns and span.start_ns < other.end_ns}
    beside -= set(_names_of(span.name))

    def carrying(name: str) -> int:
        selector = narrowed(case.selector, label_selector({"span_name": name})[1:-1])
        return _time_ns(case, case.pyroscope.span_profile(case.around(span, EMBEDDED_MARGIN_S, selector), ids))

    names = tuple(name for name in sorted(beside)[:_NEIGHBOURS] if carrying(name))
    return replace(check, own_ns=sum(map(carrying, _names_of(span.name))), neighbours=names)


def _with_another_name(selector: str, name: str) -> str:
    """Return the selector of samples that carry another span name than this one."""
    equal = [label_selector({"span_name": own}) for own in _names_of(name)]  # escapes the names
    return narrowed(selector, 'span_name!=""', *(matcher[1:-1].replace("=", "!=", 1) for matcher in equal))


def _names_of(name: str) -> list[str]:
    """Return the names under which a span may have been sampled: its own, and the one it had until it was routed.

    Instrumentations of HTTP servers start a span as ``GET`` and call it ``GET /bike`` as soon as they know the route
    (OpenTelemetry's semantic conventions for HTTP spans).
    """
    method, _, route = name.partition(" ")
    return [name, method] if route else [name]
