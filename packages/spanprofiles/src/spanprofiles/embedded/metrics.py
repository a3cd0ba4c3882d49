"""Refusals for programs: as Prometheus reads them, under the real servers' names, and as JSON in full.

Source: the metrics of Tempo 3 (``tempo_discarded_spans_total``, ``tempo_receiver_refused_spans``) and Pyroscope 2
(``pyroscope_discarded_samples_total``, whose "samples" are profiles).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from werkzeug.wrappers import Request, Response

from spanprofiles.embedded.refusals import Group, Reason, Refusals, Signal, Way
from spanprofiles.embedded.web import json_answer

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
METRICS_PATH, REFUSED_PATH = "/metrics", "/spanprofiles/refused"
TEMPO_TENANT, PYROSCOPE_TENANT = "single-tenant", "anonymous"
RECEIVER = "otlp/otlp_receiver"
TRANSPORTS = {Way.OTLP_HTTP: "http", Way.OTLP_GRPC: "grpc"}
DISCARDED_SPANS = frozenset({Reason.TRACE_ID, Reason.SPAN_ID})
DISCARDED_PROFILES = frozenset(
    {
        Reason.MALFORMED_PROFILE,
        Reason.NOT_IN_WINDOW,
        Reason.PROFILE_SIZE,
        Reason.SAMPLES,
        Reason.SAMPLE_LABELS,
        Reason.LABEL_COUNT,
        Reason.LABEL_NAME_LENGTH,
        Reason.LABEL_VALUE_LENGTH,
        Reason.DUPLICATE_LABELS,
        Reason.INVALID_LABELS,
        Reason.BODY_SIZE,
    }
)

Labels = dict[str, str]


@dataclass(frozen=True)
class Metric:
    """A metric with its values."""

    name: str
    kind: str
    help: str
    values: list[tuple[Labels, float]]

    def lines(self) -> Iterator[str]:
        """Write the metric in Prometheus's text format."""
        yield f"# HELP {self.name} {self.help}"
        yield f"# TYPE {self.name} {self.kind}"
        for labels, value in self.values:
            pairs = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
            yield f"{self.name}{{{pairs}}} {value:.17g}" if pairs else f"{self.name} {value:.17g}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class RefusalRoutes:
    """Answers what was refused of one signal."""

    def __init__(self, refusals: Refusals, signal: Signal) -> None:
        self._refusals = refusals
        self._signal = signal

    def rules(self) -> list[tuple[str, list[str], Callable[[Request], Response]]]:
        """Return the routes: the metrics, and all that is known."""
        return [(METRICS_PATH, ["GET"], self.metrics), (REFUSED_PATH, ["GET"], self.refused)]

    def metrics(self, _: Request) -> Response:
        """``/metrics``."""
        groups = self._refusals.groups(self._signal)
        own = _spans if self._signal is Signal.TRACES else _profiles
        found = [*own(groups, self._refusals), *_uploads(groups, self._refusals)]
        text = "\n".join(line for metric in found for line in metric.lines())
        return Response(f"{text}\n", content_type=PROMETHEUS)

    def refused(self, request: Request) -> Response:
        """Each reason with its last message, and how many uploads there were from the time ``since`` on."""
        since_s = _since(request.args.get("since", ""))
        groups = [
            {
                "way": group.last.way.value,
                "reason": group.last.reason.value,
                "message": group.last.message,
                "service": group.last.service,
                "peer": group.last.sender.peer,
                "agent": group.last.sender.agent,
                "uploads": group.uploads,
                "items": group.items,
                "recent": group.since(since_s),
                "first": group.first_s,
                "last": group.last_s,
            }
            for group in self._refusals.groups(self._signal)
        ]
        times = {"since": self._refusals.started_s, "now": time.time()}
        return json_answer({"signal": self._signal.value, **times, "refused": groups})


def _since(text: str) -> float:
    """Read a time, s since the epoch; the epoch itself where the text is no time."""
    try:
        since_s = float(text)
    except ValueError:
        return 0.0
    return since_s if math.isfinite(since_s) else 0.0


def _summed(groups: Iterable[Group], reasons: frozenset[Reason]) -> dict[Reason, int]:
    found: dict[Reason, int] = {}
    for group in groups:
        reason = group.last.reason
        if reason in reasons:
            found[reason] = found.get(reason, 0) + group.items
    return found


def _spans(groups: list[Group], refusals: Refusals) -> list[Metric]:
    discarded = _summed(groups, DISCARDED_SPANS)
    return [
        Metric(
            "tempo_discarded_spans_total",
            "counter",
            "Spans that were discarded, by reason.",
            [({"reason": reason.value, "tenant": TEMPO_TENANT}, count) for reason, count in discarded.items()],
        ),
        Metric(
            "tempo_receiver_accepted_spans",
            "counter",
            "Spans that were taken.",
            [({"receiver": RECEIVER, "transport": name}, refusals.taken(way)) for way, name in TRANSPORTS.items()],
        ),
        Metric(
            "tempo_receiver_refused_spans",
            "counter",
            "Spans that were read and then refused; of what could not be read their number is not known.",
            [
                (
                    {"receiver": RECEIVER, "transport": name},
                    sum(group.items for group in groups if group.last.way is way),
                )
                for way, name in TRANSPORTS.items()
            ],
        ),
    ]


def _profiles(groups: list[Group], _: Refusals) -> list[Metric]:
    discarded = _summed(groups, DISCARDED_PROFILES)
    return [
        Metric(
            "pyroscope_discarded_samples_total",
            "counter",
            "Profiles that were discarded, by reason.",
            [({"reason": reason.value, "tenant": PYROSCOPE_TENANT}, count) for reason, count in discarded.items()],
        )
    ]


def _uploads(groups: list[Group], refusals: Refusals) -> list[Metric]:
    summed: dict[tuple[str, str], tuple[int, float]] = {}
    for group in groups:
        key = (group.last.way.value, group.last.reason.value)
        uploads, last_s = summed.get(key, (0, 0.0))
        summed[key] = (uploads + group.uploads, max(last_s, group.last_s))
    labelled = [({"way": way, "reason": reason}, *sums) for (way, reason), sums in summed.items()]
    return [
        Metric(
            "spanprofiles_refused_uploads_total",
            "counter",
            "Uploads that were refused, by how they came and why.",
            [(labels, uploads) for labels, uploads, _ in labelled],
        ),
        Metric(
            "spanprofiles_last_refusal_timestamp_seconds",
            "gauge",
            "When the last of them came, in seconds since the epoch.",
            [(labels, last_s) for labels, _, last_s in labelled],
        ),
        Metric(
            "process_start_time_seconds",
            "gauge",
            "Since when it is counted, in seconds since the epoch.",
            [({}, refusals.started_s)],
        ),
    ]
