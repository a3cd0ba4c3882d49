"""Asks where the CPU without a span ID went, around spans without samples."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add

from spanprofiles.clients import ProfileQuery
from spanprofiles.doctor.collectors.case import Case
from spanprofiles.doctor.collectors.queries import valid_ids
from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.observations import AroundSpans, Functions, GroupKey, Link, LinkFacts
from spanprofiles.doctor.unlabelled import Group
from spanprofiles.model import FlameGraph, Span, label_selector
from spanprofiles.model.call_paths import share_on_paths_of
from spanprofiles.model.housekeeping import (
    exports_spans,
    without_housekeeping,
    without_main_program,
    without_runtime,
    without_start_up,
)
from spanprofiles.model.margins import EMBEDDED_MARGIN_MS
from spanprofiles.model.profile_types import ProfileType
from spanprofiles.model.selector import narrowed, without_span
from spanprofiles.model.unlabelled import Explains, Timeline, length_ms, merged

_GROUPS = 4
_SPANS = 6
_FUNCTIONS = 3
_NEWEST = 40
_LIKE = 40
_WINDOWS = 12
_NS_PER_MS = 1_000_000


def unlabelled_functions(case: Case, facts: Facts) -> dict[GroupKey, Functions]:
    """Return where the CPU without a span ID went around the newest spans of the groups that it may explain.

    Raises:
        ClientError: Pyroscope failed.
    """
    suspected = [group for group in facts.groups if group.explains is not Explains.NO]
    suspected.sort(key=lambda group: -(group.cpu.cpu_ns if group.cpu else 0.0))
    found = facts.links or LinkFacts()
    selector = without_span(case.selector) if facts.has_span_names else case.selector

    def ask(group: Group) -> tuple[GroupKey, Functions]:
        newest = sorted((link.span for link in group.links), key=lambda span: -span.start_ns)[:_SPANS]
        label = found.process_label
        own = label_selector({label.label: label.value(newest[0])})[1:-1] if label else ""
        profiles = [
            case.pyroscope.merged_profile(
                ProfileQuery(narrowed(selector, own) if own else selector, start_ms, end_ms, case.profile_type)
            )
            for start_ms, end_ms in merged(group.profiles_ms(span, facts.uploads) for span in newest)
        ]
        others = [link for link in linked if link.span.name != group.name][:_LIKE]
        return group.key, _functions(profiles, _labelled(case, others), of_all=len(newest) == len(group.links))

    linked = sorted((link for link in found.links if link.is_linked), key=lambda link: -link.cpu_ns)
    return dict(case.each(ask, suspected[:_GROUPS]))


def _labelled(case: Case, links: Sequence[Link]) -> FlameGraph:
    """Return the samples of linked spans as one flame graph."""
    spans = [link.span for link in links]
    if not spans:
        return FlameGraph()
    query = ProfileQuery.around_all(spans, EMBEDDED_MARGIN_MS, selector=case.selector, profile_type=case.profile_type)
    return case.pyroscope.span_profile(query, valid_ids(spans))


def _functions(profiles: Sequence[FlameGraph], labelled: FlameGraph, *, of_all: bool) -> Functions:
    everything = reduce(add, profiles, FlameGraph())
    programs = without_runtime(everything)
    working = without_main_program(without_start_up(programs), labelled)
    top = tuple((row.name, row.self) for row in working.top(_FUNCTIONS))
    share = 1 - working.total / programs.total if programs.total else 0.0
    return Functions(
        top,
        share,
        working.total if of_all else None,
        alike_share=share_on_paths_of(working, labelled),
        runtime_share=1 - programs.total / everything.total if everything.total else 0.0,
    )


def around_spans(case: Case, spans: Sequence[Span], interval_s: float) -> AroundSpans:
    """Return what the service's profiles hold in the time of its newest spans.

    Raises:
        ClientError: Pyroscope failed.
    """
    newest = sorted(spans, key=lambda span: -span.start_ns)[:_NEWEST]
    ran = merged((span.start_ns // _NS_PER_MS, -(-span.end_ns // _NS_PER_MS)) for span in newest)
    frame = Timeline((), 0.0, interval_s * 1000, 0.0)
    dated = merged(frame.profiles_of(*interval) for interval in ran)[-_WINDOWS:]
    asked = [ProfileQuery(case.selector, start_ms, end_ms, case.profile_type) for start_ms, end_ms in dated]
    everything = reduce(add, case.each(case.pyroscope.merged_profile, asked), FlameGraph())
    within = [interval for interval in ran if dated and interval[0] >= dated[0][0]]
    return AroundSpans(
        sum(span.start_ns // _NS_PER_MS >= dated[0][0] for span in newest) if dated else 0,
        length_ms(within) * _NS_PER_MS,
        ProfileType.of(case.profile_type).time_ns(without_housekeeping(everything).total),
        exports_spans(everything),
    )
