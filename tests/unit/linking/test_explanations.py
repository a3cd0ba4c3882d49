"""What is said of a missing hop, to the word, and what the servers are asked for it; on plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from spanprofiles.clients import ClientError, ProfileQuery, PyroscopeClient, Refusal, TempoClient
from spanprofiles.linking import explanations
from spanprofiles.model import CPU, FlameGraph, Span, Trace
from tests.support.doctor import MS, S, a_span

ALLOCATED = "memory:alloc_in_new_tlab_bytes:bytes:space:bytes"
REFUSED = Refusal("Tempo", 3, "span", "too many")
WHAT_WAS_REFUSED = "Tempo has refused 3 span(s): too many (since it started; it does not say when)"
NOW_S = 1_700_000_000.0
SPAN = replace(a_span(ms=1_000_000), attributes={"pyroscope.profile.id": "a1" * 8}, span_id="a1" * 8)
SHORT = replace(SPAN, end_ns=SPAN.start_ns + 9 * MS)
QUERY = ProfileQuery('{service_name="rides"}', 1_000, 2_000, CPU)
DEAD = (
    "the span a1a1a1a1a1a1a1a1 (GET /bike, 1000000.0 ms) carries the profile ID a1a1a1a1a1a1a1a1 and no sample has it"
    f' (asked {{service_name="rides"}}, {CPU})'
)
HALF_A_DAY_MS = 43_200_000


@dataclass
class Tempo:
    """A Tempo that knows the values of some tags, or fails."""

    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    error: ClientError | None = None
    since_s: list[float] = field(default_factory=list)

    def tag_values(self, name: str) -> Sequence[str]:
        if self.error:
            raise self.error
        return self.values.get(name, ())

    def refusals(self, since_s: float) -> tuple[Refusal, ...]:
        self.since_s.append(since_s)
        return (REFUSED,)


@dataclass
class Pyroscope:
    """A Pyroscope that has profiles of some services, and samples of the span where a query reaches them."""

    services: Sequence[str] = ("rides",)
    has: Callable[[ProfileQuery], bool] = lambda _: False
    types: Sequence[str] = (CPU,)
    unlabelled: FlameGraph = field(default_factory=FlameGraph)
    error: ClientError | None = None
    merged: list[ProfileQuery] = field(default_factory=list)
    asked: list[ProfileQuery] = field(default_factory=list)
    refusals_of: list[tuple[float, str]] = field(default_factory=list)

    def label_values(self, name: str, start_ms: int, end_ms: int) -> Sequence[str]:
        if self.error:
            raise self.error
        assert (name, start_ms, end_ms) == ("service_name", QUERY.start_ms, QUERY.end_ms)
        return self.services

    def span_profile(self, query: ProfileQuery, profile_ids: Sequence[str]) -> FlameGraph:
        assert profile_ids[0] == "a1" * 8
        self.asked.append(query)
        return FlameGraph([(("work",), 1)]) if self.has(query) else FlameGraph()

    def series(self, *_: object) -> list[dict[str, str]]:
        return [{"__profile_type__": name} for name in self.types]

    def merged_profile(self, query: ProfileQuery) -> FlameGraph:
        self.merged.append(query)
        return self.unlabelled

    def refusals(self, since_s: float, service: str) -> tuple[Refusal, ...]:
        self.refusals_of.append((since_s, service))
        return (replace(REFUSED, server="Pyroscope", unit="profile"),)


def no_samples(
    pyroscope: Pyroscope, span: Span = SPAN, trace: Trace | None = None, query: ProfileQuery = QUERY
) -> explanations.Explanation:
    return explanations.no_samples(span, trace, query, cast(PyroscopeClient, pyroscope), 15.0)


REFUSED_PROFILES = WHAT_WAS_REFUSED.replace("Tempo", "Pyroscope").replace("span(s)", "profile(s)")


@pytest.mark.parametrize(
    ("pyroscope", "notes", "instead"),
    [
        (
            Pyroscope(("rides.eu", "shop"), lambda query: query.selector == "{}"),
            (),
            "the samples are there, but not under service_name='rides': the agent's application name is another than"
            " the tracer's service.name (services with profiles: rides.eu, shop)",
        ),
        (
            Pyroscope(has=lambda query: query.start_ms < 1_000),
            (),
            "the samples are there, but outside the window asked: margin too short, or clocks apart",
        ),
        (
            Pyroscope(has=lambda query: query.profile_type == ALLOCATED, types=(CPU, ALLOCATED)),
            (),
            f"samples of type {ALLOCATED} carry its ID, those of time do not:"
            f" set profileTypeId to {ALLOCATED} in Grafana's Tempo data source (Trace to profiles) to see them",
        ),
        (
            Pyroscope(()),
            (REFUSED_PROFILES,),
            "Pyroscope has no profile of any service in that window: no agent runs, nothing used CPU, the uploads fail,"
            " or there was none yet",
        ),
        (
            Pyroscope(("shop", "till")),
            (REFUSED_PROFILES,),
            "Pyroscope has no profile of 'rides': no agent runs there, or the process used no CPU then"
            " (services with profiles: shop, till)",
        ),
        (
            Pyroscope(unlabelled=FlameGraph([(("serve", "search"), 2_000_000 * MS), (("serve",), 1_000_000 * MS)])),
            (REFUSED_PROFILES,),
            "'rides' has profiles, but none of this span; in its time they hold 3000000 ms of CPU without a span:"
            " search 2000000 ms, serve 1000000 ms",
        ),
        (
            Pyroscope(),
            (REFUSED_PROFILES,),
            "'rides' has profiles, but none of this span; in its time they hold 0 ms of CPU without a span",
        ),
        (Pyroscope(error=ClientError("Pyroscope does not answer")), (), "Pyroscope does not answer"),
    ],
    ids=["another name", "another time", "another type", "none", "of others", "unlabelled", "idle", "away"],
)
def test_a_dead_link_is_explained_by_where_the_samples_are(
    pyroscope: Pyroscope, notes: tuple[str, ...], instead: str
) -> None:
    found = no_samples(pyroscope)

    assert (found.text, found.notes, found.excuse) == (DEAD, (*notes, instead), "")
    assert found.message == "; ".join([DEAD, *notes, instead])
    assert pyroscope.refusals_of == [(SPAN.start_ns / S, "rides")] * len(notes)


def test_samples_are_looked_for_under_all_names_at_other_times_and_of_other_types() -> None:
    pyroscope = Pyroscope(types=(CPU, ALLOCATED))

    no_samples(pyroscope)

    assert pyroscope.asked == [
        ProfileQuery("{}", 1_000, 2_000, CPU),
        ProfileQuery("{}", 2_000 - HALF_A_DAY_MS, 2_000 + HALF_A_DAY_MS, CPU),
        replace(QUERY, profile_type=ALLOCATED),
    ]
    begins_ms = SPAN.start_ns // MS - 15_000
    assert pyroscope.merged == [ProfileQuery('{service_name="rides", span_name=""}', begins_ms, SPAN.end_ns // MS, CPU)]


def test_of_profiles_that_are_no_cpu_time_nothing_is_said_of_cpu() -> None:
    pyroscope = Pyroscope(unlabelled=FlameGraph([(("serve",), MS)]))

    found = no_samples(pyroscope, query=replace(QUERY, profile_type=ALLOCATED))

    assert found.notes[-1] == "'rides' has profiles, but none of this span"
    assert pyroscope.merged == []


def test_a_span_that_is_too_short_to_have_samples_is_excused() -> None:
    found = no_samples(Pyroscope(), SHORT)

    assert found.notes[-1] == "the span is shorter than 3 sample periods of 10 ms: it may have been missed"
    assert found.excuse == "as is usual of a span so short"


def test_a_profile_id_of_another_span_and_work_that_goes_on_are_noted() -> None:
    copied = replace(SPAN, span_id="b2" * 8)
    late = replace(a_span("GET /late", ms=2_000_000, parent_id="b2" * 8, trace_id=SPAN.trace_id), kind=SPAN.kind)
    trace = SimpleNamespace(late_roots=[copied, late])

    found = no_samples(Pyroscope(), copied, cast(Trace, trace))

    assert found.notes[:2] == (
        "the profile ID is not the span's own ID: another span's was copied, or it was rewritten",
        f"work that goes on without it has span profiles of its own: GET /late ({late.span_id}, 2000000 ms)",
    )


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, ""),
        (1, ", nor one of the IDs of 1 span below it"),
        (2, ", nor one of the IDs of 2 spans below it"),
    ],
)
def test_spans_that_count_for_a_dead_link_are_counted(count: int, words: str) -> None:
    assert explanations.nor_below(replace(SPAN, added=tuple(a_span() for _ in range(count)))) == words


@pytest.mark.parametrize(
    ("tempo", "route", "notes"),
    [
        (
            Tempo({"resource.service.name": ("shop", "till")}),
            " (in Python by OTEL_PYTHON_EXCLUDED_URLS or excluded_urls)",
            ("services Tempo has spans of: shop, till", WHAT_WAS_REFUSED),
        ),
        (
            Tempo({"resource.telemetry.sdk.language": ("go",)}),
            "",
            ("services Tempo has spans of: none", WHAT_WAS_REFUSED),
        ),
        (
            Tempo(error=ClientError("Tempo does not answer")),
            " (in Python by OTEL_PYTHON_EXCLUDED_URLS or excluded_urls)",
            ("Tempo does not answer",),
        ),
    ],
    ids=["of others", "of no service", "away"],
)
def test_a_missing_trace_is_explained_by_what_tempo_knows_and_has_refused(
    monkeypatch: pytest.MonkeyPatch, tempo: Tempo, route: str, notes: tuple[str, ...]
) -> None:
    monkeypatch.setattr(explanations, "time", SimpleNamespace(time=lambda: NOW_S))

    found = explanations.no_trace("1" * 32, cast(TempoClient, tempo), 2.5)

    assert found.text == (
        f"Tempo has no span of the trace {'1' * 32} after 2.5 s: the app is not instrumented, leaves this route"
        f" out{route}, did not sample this request, or exports to another server"
    )
    assert found.notes == notes
    assert tempo.since_s == ([] if tempo.error else [NOW_S - 62.5])


def test_a_lost_trace_says_what_to_do_about_the_server() -> None:
    assert explanations.lost_trace("1" * 32).message == (
        f"Tempo had the trace {'1' * 32} and has lost it: it cannot write what it takes, and says that it is ready;"
        " make room on its disk (or look at its bucket), then restart it (spanprofiles doctor --probe tests it)"
    )


def traced(*spans: Span) -> Trace:
    return Trace.of("1" * 32, [replace(span, trace_id="1" * 32) for span in spans])


def named(span: Span) -> str:
    return f"{span.name} ({span.span_id}, rides)"


def test_too_few_profile_ids_are_told_from_those_on_other_spans_and_from_none() -> None:
    with_id, without = a_span("GET /bike"), a_span("GET /car", profile_id=None)
    both = f"{named(with_id)}, {named(without)}"

    assert explanations.no_profile_id(traced(with_id, without), 2) == (
        f"1 local root span(s) of the trace {'1' * 32} carry pyroscope.profile.id, 2 are awaited;"
        f" local root spans: {both}"
    )
    assert explanations.no_profile_id(traced(with_id, without), 1) == (
        "the local root span that answered the request has no pyroscope.profile.id, or is not in the trace"
        f" {'1' * 32}; {with_id.span_id} further down has one; local root spans: {both}"
    )
    nothing: Any = explanations.no_profile_id(traced(without), 1)
    assert nothing.startswith(f"no local root span of the trace {'1' * 32} carries pyroscope.profile.id: ")
    assert nothing.endswith(f"; local root spans: {named(without)}")


def test_a_child_whose_trace_is_not_known_is_judged_as_if_it_were_alone() -> None:
    child = a_span(profile_id=None, parent_id="c3" * 8)

    message = explanations.no_profile_id_on(child, None)

    assert message.startswith(f"no local root span of the trace {child.trace_id} carries pyroscope.profile.id: ")
    assert message.endswith("; local root spans: none")
