"""Groups of spans without samples: what of the CPU around them can have been theirs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spanprofiles.doctor import Verdict
from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.hops import sample_labels
from spanprofiles.doctor.observations import Functions
from spanprofiles.doctor.unlabelled import _AFTERWARDS_MS, Group, _busy
from spanprofiles.model.unlabelled import Explains
from tests.support.doctor import MS, a_span, cpu_at, facts, linked, unlinked, uploads

_KEY = ("the only process that its resource names", "GET /bike", False)


def group_with(functions: Functions) -> Group:
    """Three spans of 400 ms, and 360 ms of CPU without a span ID in the second of each."""
    spans = [a_span(ago_s=60 - 10 * index, ms=400) for index in range(3)]
    series = cpu_at((110, 10), *((59.5 - 10 * index, 360) for index in range(3)))
    known: Facts = facts(
        *(unlinked(span) for span in spans),
        found={"unlabelled": (series,), "unlabelled_functions": {_KEY: functions}},
        upload_interval_s=1.0,
    )
    (group,) = known.groups
    return group


def test_cpu_whose_functions_are_not_known_counts_as_it_is() -> None:
    assert group_with(Functions()).explains is Explains.YES


def test_the_edges_of_steps_are_no_cpu_of_the_spans() -> None:
    exact = group_with(Functions(working_ns=60 * MS))

    assert exact.cpu is not None
    assert exact.cpu.cpu_ns == 60 * MS
    assert exact.explains is Explains.NO


def test_imports_are_left_out_and_what_is_left_may_still_be_theirs() -> None:
    assert group_with(Functions(start_up_share=0.2)).explains is Explains.YES


def test_what_the_runtime_spends_on_itself_is_no_work_of_spans() -> None:
    compiling = group_with(Functions(runtime_share=0.95))

    assert compiling.explains is Explains.NO
    assert not compiling.is_starting
    assert group_with(Functions(runtime_share=0.2)).explains is Explains.YES


def test_where_nearly_all_is_imports_spans_neither_worked_nor_waited_for_sure() -> None:
    assert group_with(Functions(start_up_share=0.95)).explains is Explains.PERHAPS


def test_in_a_busy_process_without_labels_no_span_waited_for_sure() -> None:
    starved = [unlinked(a_span(ago_s=60 - 10 * index, ms=560)) for index in range(6)]
    busy = uploads(cpu_ms=120)  # all the time: other requests, without labels as well
    known = facts(*starved, found={"unlabelled": (busy,)}, upload_interval_s=1.0)
    labelled = facts(*starved, linked(a_span("GET /car")), found={"unlabelled": (busy,)}, upload_interval_s=1.0)

    assert [group.explains for group in known.groups] == [Explains.PERHAPS]
    assert [group.explains for group in labelled.groups] == [Explains.NO]


def streams(*, cpu_ms: float, idle_s: float = 0.0, with_bikes: bool = False) -> Facts:
    """Six spans of 2 ms, a second apart, in a process that computes from the first to the last and then is idle."""
    last_ago_s = 4.0 + idle_s
    spans = [a_span("GET /stream", ago_s=last_ago_s + index, ms=2) for index in range(6)]
    busy = cpu_at(*((last_ago_s + 0.5 * index - 1.0, cpu_ms / 2) for index in range(14)))
    bikes = [linked(a_span(ago_s=last_ago_s + index)) for index in range(3 if with_bikes else 0)]
    found = {"unlabelled": (busy,), "exemplars": None}
    return facts(*bikes, *(unlinked(span) for span in spans), found=found, upload_interval_s=1.0)


@pytest.mark.parametrize("with_bikes", [True, False], ids=["beside linked spans", "alone"])
def test_short_spans_in_a_process_that_was_never_idle_are_doubted(
    with_bikes: bool,
) -> None:
    found = sample_labels.judge(streams(cpu_ms=900, with_bikes=with_bikes))

    assert found.verdict is Verdict.DOUBTFUL
    assert "never idle" in " ".join(found.evidence)
    assert "too little" not in " ".join(found.evidence)
    assert "look again" in found.advice


def test_once_the_process_was_idle_the_cpu_around_short_spans_is_theirs() -> None:
    found = sample_labels.judge(streams(cpu_ms=900, idle_s=30.0, with_bikes=True))

    assert found.verdict is Verdict.BROKEN


def test_short_spans_in_a_process_that_only_answers_are_no_reason_to_doubt() -> None:
    assert sample_labels.judge(streams(cpu_ms=40, with_bikes=True)).verdict is Verdict.OK


def test_what_it_takes_to_answer_other_requests_is_no_work_of_spans_without_samples() -> None:
    receipts = [unlinked(a_span("GET /receipt", ago_s=60 - 0.2 * index, ms=45)) for index in range(8)]
    bikes = [linked(a_span(ago_s=60 - 0.02 * index, ms=100)) for index in range(70)]
    exporting = cpu_at((110, 10), (60, 120), (59, 130), (58, 120))

    alone, beside_others = (
        known.groups
        for known in (
            facts(*links, linked(a_span(ago_s=20)), found={"unlabelled": (exporting,)}, upload_interval_s=1.0)
            for links in (receipts, [*receipts, *bikes])
        )
    )

    assert [group.explains for group in alone] == [Explains.YES]
    assert [group.explains for group in beside_others] != [Explains.YES]


def test_spans_whose_traces_are_not_kept_are_judged_without_what_outlasts_them() -> None:
    spans = [a_span(ago_s=60 - 10 * index, ms=400) for index in range(3)]
    beside = [linked(a_span("GET /car", ago_s=30 - index, ms=400), cpu_ms=10) for index in range(3)]
    series = cpu_at(
        (110, 10), *((59.5 - 10 * index, 360) for index in range(6)), *((29.5 - index, 390) for index in range(3))
    )
    kept = facts(*map(unlinked, spans), *beside, found={"unlabelled": (series,)}, upload_interval_s=1.0)
    alone = replace(kept, traces=None)

    assert [group.explains for group in kept.groups] == [Explains.YES]
    assert alone.outlasting == {}
    assert [group.explains for group in alone.groups] == [Explains.YES]
    assert len(alone.half_labelled) == len(kept.half_labelled) == 1
    assert [(found.cause, found.sentence) for found in alone.explanations] == [
        (found.cause, found.sentence) for found in kept.explanations
    ]


@pytest.mark.parametrize(("is_short", "afterwards_ms"), [(False, 0), (True, _AFTERWARDS_MS)])
def test_a_span_is_busy_for_every_millisecond_that_it_touches(is_short: bool, afterwards_ms: int) -> None:
    span = replace(a_span(), start_ns=10 * MS + MS // 2, end_ns=12 * MS + MS // 2)
    later = replace(span, end_ns=20 * MS + 1)

    assert _busy(span, (), is_short) == (10, 13 + afterwards_ms)
    assert _busy(span, (later,), is_short) == (10, 21 + afterwards_ms)
    assert _busy(replace(span, start_ns=10 * MS, end_ns=12 * MS), (), is_short) == (10, 12 + afterwards_ms)
