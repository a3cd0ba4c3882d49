"""Judges the photo lab: the CPU of each request must be in its own flame graph, on whichever thread it was used."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

from spanprofiles.linking import LinkedSpan, LinkError, Traced
from spanprofiles.model import FlameGraph, Span
from spanprofiles.workshop.judgement import Judgement
from spanprofiles.workshop.program import LearnersProgram
from spanprofiles.workshop.workbench import Workbench

COMMAND = ("{python}", "photo_lab.py")
SERVICE = "photo-lab"
WORK = "develop"
HANDED_OVER = {"/slides": "asyncio.to_thread", "/album": "the lab's own pool"}

ROUNDS = 3
"""How often each is asked for: of several IDs that stay on a thread, Pyroscope keeps one for each sample. Which one is
chance, so once would not show it."""

MOST_LOST = 0.2
"""So small a part of the work may be in nobody's flame graph: labels change a moment before or after the work."""

_THREADS_FIRST_FRAME = "_bootstrap"  # of every thread that Python starts; the loop runs on the first, which has another
_CARRY = (
    "a function that carry(...) returned within the request, and SpanProfileProcessor: with the official span processor"
    " carry has no label to set"
)
_NO_LEAK = (
    f"together they are all samples of {WORK}, and none came after the requests had ended: if equal requests differ,"
    " it is because of the machine, and not because a label stayed"
)
_LABELS_STAY = "an end of the labels: take them off a thread when its work for the request is done"


class _NothingSentError(Exception):
    """The lab has ended without sending the samples that it had left."""


@dataclass(frozen=True)
class _Work:
    """Where the lab's work was found.

    Attributes:
        own: the flame graphs of the requests, by their path.
        lost_ns: the CPU of the work that is in no request's flame graph, ns.
        total_ns: all of it, ns.
    """

    own: Mapping[str, list[FlameGraph]]
    lost_ns: int
    total_ns: int

    def of(self, path: str) -> list[int]:
        """Return the CPU of the work in the flame graph of each request of a path, ns."""
        return [graph.total_of(WORK) for graph in self.own[path]]


def judge(bench: Workbench) -> Judgement:
    """Ask for a print, slides and albums, and look whose the samples are; then whether they stay so."""
    try:
        return _judged(bench, sends_at_end=True)
    except _NothingSentError:
        bench.tell("the lab sent nothing when it ended: once more, and it goes on running")
        return _judged(bench, sends_at_end=False)


def _judged(bench: Workbench, *, sends_at_end: bool) -> Judgement:
    """Judge one run of the lab.

    Args:
        bench: the learner's folder and the backend.
        sends_at_end: whether to end the lab rather than to wait for its last upload.

    Raises:
        _NothingSentError: it was ended, and has not sent what it had left.
    """
    since_ns = time.time_ns()
    lab = bench.start(COMMAND, service=bench.service_name(SERVICE))
    bench.tell("ordering a print, slides and albums")
    answers = {path: [lab.get(path) for _ in range(rounds)] for path, rounds in _ORDERS.items()}
    last = lab.get("/print")
    spans = {path: [bench.follow(answer).answering_span() for answer in answers[path]] for path in _ORDERS}
    work = _find(bench, last, spans, since_ns)
    seen = [
        f"{len(asked)} times GET {path}: {_in_words(work.of(path))} of {WORK} in its own flame graph"
        for path, asked in spans.items()
    ]
    _show(bench, spans, work)
    if not any(work.of("/print")):
        return Judgement.fails(seen, f"the work of a print, which was there before: leave {WORK} in it", 1)
    empty = [path for path in HANDED_OVER if not any(work.of(path))]
    if empty:
        seen.append(f"{_ms(work.lost_ns)} of {WORK} is in none of them")
        named = " and ".join(f"GET {path} ({HANDED_OVER[path]})" for path in empty)
        missing = [f"the span's ID on the threads that develop for {named}, while they do"]
        if empty == ["/album"]:
            missing.append(_CARRY)
        return Judgement.fails(seen, missing, 2 if empty == ["/album"] else 1)
    on_the_loop = [path for path in HANDED_OVER if _is_on_the_loop(work.own[path])]
    if on_the_loop:
        named = " and ".join(on_the_loop)
        return Judgement.fails(
            [*seen, f"the pictures of {named} are developed on the thread of the event loop: nobody else is served"],
            "the helpers' threads, as before, with the label of the request whose work they do",
            2,
        )
    if work.lost_ns > MOST_LOST * work.total_ns:
        return Judgement.fails(
            [*seen, f"{_ms(work.lost_ns)} of {WORK} is in none of them"],
            "the span's ID on each thread that works for the request, for as long as it does",
            3,
        )
    robbed = [path for path in HANDED_OVER if not all(work.of(path))]
    if robbed:
        return Judgement.fails(
            [*seen, f"each request of {robbed[0]} did the same work: that of one counts for another that had ended"],
            _LABELS_STAY,
            3,
        )
    added_ns = _added_later(bench, lab, spans, work, sends_at_end=sends_at_end)
    if added_ns:
        return Judgement.fails(
            [*seen, f"{_ms(added_ns)} counts for requests that had ended, and belongs to some that are not traced"],
            _LABELS_STAY,
            3,
        )
    return Judgement.passes([*seen, _NO_LEAK])


_ORDERS = dict.fromkeys(("/print", *HANDED_OVER), ROUNDS)


def _show(bench: Workbench, spans: Mapping[str, list[Span]], work: _Work) -> None:
    """Show the learner a request of the first kind without samples; of the albums, where all have some."""
    path = next((path for path in HANDED_OVER if not any(work.of(path))), "/album")
    span, graph = max(zip(spans[path], work.own[path], strict=True), key=lambda pair: pair[1].total)
    if graph.is_empty:
        bench.shown, bench.linked = (span.trace_id, span.span_id), None
    else:
        bench.show(LinkedSpan(span, graph))


def _find(bench: Workbench, answer: Traced, spans: Mapping[str, list[Span]], since_ns: int) -> _Work:
    """Wait until all samples before those of the last answer are there, and find out whose they are."""
    last = bench.first_samples(answer)
    own = {path: [bench.linker.flamegraph(span) for span in asked] for path, asked in spans.items()}
    while True:
        of_last_ns = bench.linker.flamegraph(last).total_of(WORK)
        total_ns = bench.samples_of(bench.service_name(SERVICE), since_ns).total_of(WORK)
        if bench.linker.flamegraph(last).total_of(WORK) == of_last_ns:  # its other samples may come in between
            break
    found_ns = of_last_ns + sum(graph.total_of(WORK) for graph in chain.from_iterable(own.values()))
    return _Work(own, max(0, total_ns - found_ns), total_ns)


def _added_later(
    bench: Workbench,
    lab: LearnersProgram,
    spans: Mapping[str, list[Span]],
    work: _Work,
    *,
    sends_at_end: bool,
) -> int:
    """Let untraced work be done on the same threads, and return what was added to the requests before, ns.

    Raises:
        _NothingSentError: the lab was ended, and has not sent what it had left.
    """
    bench.tell("letting the helpers work for requests that are not traced")
    for path in HANDED_OVER:
        lab.get(path, sampled=False)
    last = lab.get("/print")
    has_ended = sends_at_end and lab.finish()
    try:
        bench.first_samples(last, has_ended=has_ended)
    except LinkError as error:
        if has_ended:
            raise _NothingSentError from error
        raise
    later = _find_again(bench, spans)
    return sum(max(0, later[path] - sum(work.of(path))) for path in spans)


def _find_again(bench: Workbench, spans: Mapping[str, list[Span]]) -> dict[str, int]:
    return {path: sum(bench.linker.flamegraph(span).total_of(WORK) for span in asked) for path, asked in spans.items()}


def _is_on_the_loop(flamegraphs: Iterable[FlameGraph]) -> bool:
    """Tell whether most of the work was done on the thread that the event loop runs on."""
    stacks = chain.from_iterable(graph.stacks.items() for graph in flamegraphs)
    work = [(stack, value) for stack, value in stacks if WORK in stack]
    on_threads = sum(value for stack, value in work if _THREADS_FIRST_FRAME in stack[0])
    return on_threads < sum(value for _, value in work) / 2


def _in_words(nanoseconds: list[int]) -> str:
    return f"{', '.join(f'{value / 1e6:.0f}' for value in nanoseconds)} ms"


def _ms(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e6:.0f} ms"
