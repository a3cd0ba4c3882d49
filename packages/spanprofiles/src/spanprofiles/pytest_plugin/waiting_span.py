"""The claim that a span waited: little CPU of its own, none that its label missed, and an agent that was there.

A span without samples proves nothing by itself. Where no agent runs, where it was started before the fork, or where the
work runs on a thread that the label does not follow, a span that computes has none either.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from spanprofiles.clients import ClientError, ProfileQuery
from spanprofiles.doctor.processes import process_label
from spanprofiles.linking import FollowedRequest, LinkedSpan, Linker, NotWaitingError
from spanprofiles.model import FlameGraph, Span, label_selector
from spanprofiles.model.housekeeping import without_housekeeping
from spanprofiles.model.sampling import MANY_PERIODS, SAMPLE_PERIOD_NS, is_too_short
from spanprofiles.model.selector import narrowed, without_span
from spanprofiles.model.unlabelled import Explains, UnlabelledCpu

_NS_PER_MS = 1_000_000
_MS_PER_S = 1000
_NAMED = 3
_NOTHING = 0.15  # so small a part of a span's time explains nothing
_NOT_MUCH = 0.4  # nor does this where an app has just started, whose first answers cost more than later ones
_ASKED_AT_ONCE = 10
_LATE_S = 2.0  # an upload on a busy machine


def waiting_span(
    linker: Linker,
    request: FollowedRequest,
    *,
    at_most: float,
    ask_app: Callable[[], object] | None = None,
    app_ready_ns: int = 0,
) -> LinkedSpan:
    """Return the span that answered the request, if it waited, with the little CPU that it has.

    Args:
        linker: asks the servers.
        request: the request, whose answering span it is.
        at_most: the part of its time that it may have computed, 0 to 1; a sample more is chance.
        ask_app: sends the app a request that is not traced, so that its agent has something to show; None where that
            cannot be done.
        app_ready_ns: when the app was ready, ns since the epoch; 0 where that is not known.

    Raises:
        NotWaitingError: it computed, or nothing shows that it did not.
        LinkError: a hop before the samples is missing.
        ClientError: Pyroscope failed.
    """
    span, evidence = request.answering_span(), request.evidence
    called = f"the span {span.span_id} ({span.name}, {span.duration_ns / 1e6:.1f} ms)"
    if is_too_short(span.duration_ns):
        raise NotWaitingError(
            f"{called} is too short to tell waiting from computing: samples are 10 ms apart", evidence
        )
    allowed_ns = at_most * span.duration_ns + SAMPLE_PERIOD_NS

    def check(own: FlameGraph) -> FlameGraph:
        if own.cpu_ns > allowed_ns:  # not the wall time by which it may be linked: waiting has that too
            raise NotWaitingError(f"{called} computed: {own.cpu_ns / 1e6:.0f} ms of CPU{_where(own)}", evidence)
        return own

    check(request.all_samples(span, enough_ns=allowed_ns))
    process = _selector_of_process(linker, span)
    if not _agent_is_seen(linker, span, process, ask_app):
        raise NotWaitingError(
            f"{called} has no samples, and nothing shows that an agent runs where it was answered (asked {process}):"
            " let the same process answer a request that computes for 100 ms before it; the doctor says what may be"
            " wrong",
            evidence,
        )
    own = check(request.flamegraph(span))  # again, for by now a later upload is there
    unlabelled = _cpu_without_id(linker, span, process)
    cpu = UnlabelledCpu(unlabelled.total, None, _window_ns(linker, span), max(0, span.duration_ns - own.cpu_ns))
    has_started = span.start_ns < app_ready_ns + _window_ns(linker, span)
    nothing_ns = max(SAMPLE_PERIOD_NS, (_NOT_MUCH if has_started else _NOTHING) * cpu.open_ns)
    if unlabelled.total > nothing_ns and cpu.explains is not Explains.NO:
        spent = f"its process spent {unlabelled.total / 1e6:.0f} ms of CPU without a span ID around it"
        told = "its work runs where its label does not follow"
        if has_started:
            told = "that was its work, or the start of the app: claim it of a later request"
        elif cpu.explains is not Explains.YES:
            told = "whether that was its work cannot be told"
        raise NotWaitingError(f"{called} has next to no samples, and {spent}{_where(unlabelled)}: {told}", evidence)
    return LinkedSpan(span, own)


def _agent_is_seen(linker: Linker, span: Span, process: str, ask_app: Callable[[], object] | None) -> bool:
    """Tell whether labelled samples of the span's process are there, or the app's work is sampled as it answers.

    CPU of some kind is not enough: a process that has forked the one that answers has an agent too, and did not answer.
    In either case wait for an upload that began after the span: those of a process come in order, so that none that
    holds samples of the span is still under way.
    """
    query = replace(linker.query(span), selector=process, end_ms=_now_ms())
    has_labels = _has_labels(linker, query)
    enough_ns = SAMPLE_PERIOD_NS if has_labels else MANY_PERIODS * SAMPLE_PERIOD_NS
    timeout_s = linker.upload_interval_s + _LATE_S
    if ask_app is not None and not has_labels:
        timeout_s = max(timeout_s, linker.waiting.timeout_s + 2 * linker.upload_interval_s)
    for _ in replace(linker.waiting, timeout_s=timeout_s).attempts():
        if ask_app is not None:
            for _ in range(_ASKED_AT_ONCE):
                ask_app()
        later = replace(query, start_ms=-(-span.end_ns // _NS_PER_MS), end_ms=_now_ms())
        if without_housekeeping(linker.pyroscope.merged_profile(later)).total >= enough_ns and (has_labels or ask_app):
            return True
    return has_labels or _has_labels(linker, replace(query, end_ms=_now_ms()))


def _has_labels(linker: Linker, query: ProfileQuery) -> bool:
    series = linker.pyroscope.series(query.start_ms, query.end_ms, [query.selector], ["span_name"])
    if any(labels.get("span_name") for labels in series):
        return True
    try:
        return bool(linker.pyroscope.span_exemplars(query, step_s=(query.end_ms - query.start_ms) / _MS_PER_S))
    except ClientError:  # a server that does not know the call
        return False


def _cpu_without_id(linker: Linker, span: Span, process: str) -> FlameGraph:
    """Return the CPU of the span's process in the uploads of its time that carries no span ID, start-up left out.

    Where labels have no span names, which tell samples with and without an ID apart, it is that much at most.
    """
    query = replace(
        linker.query(span),
        selector=without_span(process),
        start_ms=int(span.start_ns / _NS_PER_MS - linker.upload_interval_s * _MS_PER_S),
        end_ms=-(-span.end_ns // _NS_PER_MS),
    )
    return without_housekeeping(linker.pyroscope.merged_profile(query))


def _window_ns(linker: Linker, span: Span) -> float:
    return span.duration_ns + linker.upload_interval_s * _MS_PER_S * _NS_PER_MS


def _selector_of_process(linker: Linker, span: Span) -> str:
    """Return the selector of the profiles of the span's process; of its service where no label tells them apart."""
    query = linker.query(span)
    label = process_label([span], linker.pyroscope.series(query.start_ms, query.end_ms, [query.selector]))
    if label is None:
        return query.selector
    return narrowed(query.selector, label_selector({label.label: label.value(span)})[1:-1])


def _where(flamegraph: FlameGraph) -> str:
    rows = sorted(flamegraph.top(_NAMED), key=lambda row: -row.self)
    named = ", ".join(f"{row.name} {row.self / 1e6:.0f} ms" for row in rows)
    return f", in {named}" if named else ""


def _now_ms() -> int:
    return int(time.time() * 1000)
