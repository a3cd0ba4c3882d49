"""Scenarios about who is profiled at all: agents, forks, samplers, names."""

from __future__ import annotations

import json
import os
from dataclasses import asdict

import pyroscope
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult

from tests.support.processor.outcomes import SpanSeen
from tests.support.processor.setup import ENOUGH, Setup, remote_parent
from tests.support.processor.work import WORK, work_of_blue, work_of_nobody, work_of_red


def no_agent(setup: Setup) -> None:
    tracer = setup.tracer()
    with tracer.start_as_current_span("red"), tracer.start_as_current_span("child of red"):
        work_of_red(1)


def agent_stopped(setup: Setup) -> None:
    setup.start_agent()
    tracer = setup.tracer()
    with tracer.start_as_current_span("before"):
        work_of_red(ENOUGH)
    pyroscope.shutdown()
    with tracer.start_as_current_span("after"):
        work_of_red(1)


def forked_child(setup: Setup) -> None:
    """A span in the parent, one in its forked child, which is forked while a span runs."""
    setup.start_agent()
    tracer = setup.tracer()
    reader, writer = os.pipe()
    with tracer.start_as_current_span("parent"):
        work_of_red(ENOUGH)
        process = os.fork()
        if process == 0:
            del setup.spans.seen[:]
            with tracer.start_as_current_span("child", remote_parent(0xDEF)):
                work_of_blue(ENOUGH)
            work_of_nobody(ENOUGH)
            pyroscope.shutdown()
            os.write(writer, json.dumps([asdict(span) for span in setup.spans.seen]).encode())
            os._exit(0)
        os.close(writer)
        os.waitpid(process, 0)
    with os.fdopen(reader) as pipe:
        setup.spans.seen += [SpanSeen(**span) for span in json.load(pipe)]


class Always(Sampler):
    """Decides the same for every span."""

    def __init__(self, decision: Decision) -> None:
        self._decision = decision

    def should_sample(self, *_: object, **__: object) -> SamplingResult:
        return SamplingResult(self._decision)

    def get_description(self) -> str:
        return f"always {self._decision}"


def record_only(setup: Setup) -> None:
    setup.start_agent()
    with setup.tracer(Always(Decision.RECORD_ONLY)).start_as_current_span("red"):
        work_of_red(ENOUGH)


def dropped(setup: Setup) -> None:
    setup.start_agent()
    with setup.tracer(Always(Decision.DROP)).start_as_current_span("red"):
        work_of_red(ENOUGH)


def odd_names(setup: Setup) -> None:
    setup.start_agent()
    tracer = setup.tracer()
    errors: list[str] = []
    for number, name in enumerate(("", "caf\u00e9 \U0001f6b2", "lone \ud800 surrogate", "x" * 10_000, "nul\0l")):
        try:
            with tracer.start_as_current_span(name):
                WORK["red"](ENOUGH)
        except Exception as error:  # noqa: BLE001 - whatever reached the app is what the test is about
            errors.append(repr(error))
            continue
        seen = setup.spans.seen[-1]
        setup.spans.seen[-1] = SpanSeen(f"odd {number}", seen.span_id, seen.trace_id, seen.profile_id)
    setup.notes["errors"] = errors
