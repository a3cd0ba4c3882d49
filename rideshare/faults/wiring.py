"""The wiring faults: each replaces a part of ``rideshare.telemetry`` by one that is broken in one way."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import pyroscope
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from pyroscope.otel import PyroscopeSpanProcessor

from rideshare.faults import WIRING_FAULTS
from rideshare.faults.clock_ahead import ExporterAhead
from rideshare.faults.refusing_server import start_refusing_server
from rideshare.telemetry import Parts

ANOTHER_NAME_SUFFIX = "-profiles"
"""What ``agent-under-another-name`` puts behind the service's name."""

SLOW_UPLOAD_S = 60
"""The upload interval of ``slow-upload``."""

UNMAPPED_TAGS = {"hostname": "host.name"}
"""Which tags ``dotted-name`` gives the name of their resource attribute."""


class LeakingSpanProcessor(PyroscopeSpanProcessor):
    """Labels a thread when a span starts, and leaves the labels there for ever."""

    def on_end(self, span: ReadableSpan) -> None:
        """Do nothing, where the labels should be removed."""


def break_parts(parts: Parts, faults: Collection[str]) -> Parts:
    """Give the parts of telemetry for one worker, broken as ``faults`` say; names of other faults are left aside."""
    for name in WIRING_FAULTS:
        if name in faults:
            parts = _BREAK[name](parts)
    return parts


def agent_of_the_master(parts: Parts, faults: Collection[str]) -> Callable[..., bool] | None:
    """Give what starts the agent in gunicorn's master, None where it is not to run there: it never should."""
    if "agent-before-fork" not in faults:
        return None
    return break_parts(parts, [name for name in faults if name != "agent-before-fork"]).start_agent


def _with_agent_options(parts: Parts, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Parts:
    start = parts.start_agent
    if start is None:
        return parts
    return replace(parts, start_agent=lambda **options: start(**{**options, **change(options)}))


def _no_processor(parts: Parts) -> Parts:
    return replace(parts, profile_processor=None)


def _no_agent(parts: Parts) -> Parts:
    return replace(parts, start_agent=None)


def _under_another_name(parts: Parts) -> Parts:
    return _with_agent_options(
        parts, lambda options: {"application_name": options["application_name"] + ANOTHER_NAME_SUFFIX}
    )


def _dotted_name(parts: Parts) -> Parts:
    def unmapped(options: dict[str, Any]) -> dict[str, Any]:
        return {"tags": {UNMAPPED_TAGS.get(tag, tag): value for tag, value in options["tags"].items()}}

    return _with_agent_options(parts, unmapped)


def _sampler_off(parts: Parts) -> Parts:
    return replace(parts, sampler=ALWAYS_OFF)


def _slow_upload(parts: Parts) -> Parts:
    return _with_agent_options(parts, lambda _: {"upload_interval": SLOW_UPLOAD_S})


def _unlabelled(parts: Parts) -> Parts:
    return _with_agent_options(parts, lambda _: {"cpu_implementation": pyroscope.ProfilerImplementation.Stack})


def _pushes_refused(parts: Parts) -> Parts:
    return _with_agent_options(parts, lambda _: {"server_address": start_refusing_server()})


def _clock_ahead(parts: Parts) -> Parts:
    exporter = parts.exporter
    return replace(parts, exporter=lambda: ExporterAhead(exporter()))


def _leaking_processor(parts: Parts) -> Parts:
    return parts if parts.profile_processor is None else replace(parts, profile_processor=LeakingSpanProcessor)


_BREAK: dict[str, Callable[[Parts], Parts]] = {
    "no-processor": _no_processor,
    "no-agent": _no_agent,
    "agent-before-fork": _no_agent,
    "agent-under-another-name": _under_another_name,
    "dotted-name": _dotted_name,
    "sampler-off": _sampler_off,
    "slow-upload": _slow_upload,
    "unlabelled": _unlabelled,
    "pushes-refused": _pushes_refused,
    "clock-ahead": _clock_ahead,
    "leaking-processor": _leaking_processor,
}
