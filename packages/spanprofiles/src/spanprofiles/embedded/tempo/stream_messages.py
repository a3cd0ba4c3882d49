"""The messages that answer Tempo's queries over gRPC, made of what the answers over HTTP are made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from spanprofiles.embedded.answers import ANSWER_BYTES, AnswerTooLargeError
from spanprofiles.embedded.deadline import PIECE, Deadline
from spanprofiles.embedded.limits import STREAMED_MESSAGE_BYTES
from spanprofiles.embedded.proto import tempo_pb2 as messages
from spanprofiles.embedded.store.connection import Inspected
from spanprofiles.embedded.tempo.metrics_query import exemplars_of, partial_message
from spanprofiles.embedded.tempo.search import FoundTrace, trace_answer
from spanprofiles.embedded.traceql.intervals import Intervals
from spanprofiles.embedded.traceql.metrics import Result
from spanprofiles.embedded.traceql.series import Labels, Series
from spanprofiles.embedded.traceql.values import Static, json_value

Packet = TypeVar("Packet", bound=Any)
SIGN_64, SIZE_64 = 2**63, 2**64
FRAMING_BYTES = 6
"""What a field of a message takes beside its content, at most: its number, and its length."""


class SizeCheck:
    """Counts the bytes of one answer.

    Args:
        limit: how many there may be.
    """

    def __init__(self, limit: int = ANSWER_BYTES) -> None:
        self._limit = limit
        self._left = limit

    def take(self, size: int) -> None:
        """Count some.

        Raises:
            AnswerTooLargeError: with those before there are too many.
        """
        self._left -= size
        if self._left < 0:
            raise AnswerTooLargeError(
                f"the answer is larger than {self._limit} bytes: ask for less at once, by a narrower query, a smaller"
                " limit or less time"
            )


def search_metrics(inspected: Inspected, *, is_complete: bool) -> messages.SearchMetrics:
    """Say what a search or a metrics query has read."""
    return messages.SearchMetrics(
        inspectedTraces=inspected.traces,
        inspectedBytes=inspected.size_bytes,
        completedJobs=int(is_complete),
        totalJobs=1,
    )


def metadata_metrics(inspected: Inspected) -> messages.MetadataMetrics:
    """Say what a question about names or values has read."""
    return messages.MetadataMetrics(inspectedBytes=inspected.size_bytes)


def found_message(found: FoundTrace, deadline: Deadline) -> messages.TraceSearchMetadata:
    """Make the message of a trace that a search has found.

    Raises:
        QueryTooLongError: the deadline passed.
    """
    answer = trace_answer(found.record, deadline)
    message = messages.TraceSearchMetadata(
        traceID=answer.get("traceID", ""),
        rootServiceName=answer["rootServiceName"],
        rootTraceName=answer.get("rootTraceName", ""),
        startTimeUnixNano=int(answer.get("startTimeUnixNano", 0)),
        durationMs=answer.get("durationMs", 0),
    )
    if found.spansets is None:
        return message
    for service, counts in answer["serviceStats"].items():
        message.serviceStats[service].MergeFrom(messages.ServiceStats(**counts))
    for spanset in deadline.watch(found.spansets):
        _write_spanset(message.spanSets.add(), spanset, deadline)
    message.spanSet.CopyFrom(message.spanSets[0])
    return message


def _write_spanset(message: messages.SpanSet, answer: dict[str, Any], deadline: Deadline) -> None:
    message.matched = answer["matched"]
    _write_pairs(message.attributes, answer.get("attributes", ()))
    for span in deadline.watch(answer["spans"]):
        written = message.spans.add(
            spanID=span["spanID"],
            name=span.get("name", ""),
            startTimeUnixNano=int(span.get("startTimeUnixNano", 0)),
            durationNanos=int(span.get("durationNanos", 0)),
        )
        _write_pairs(written.attributes, span.get("attributes", ()))


def _write_pairs(pairs: Any, answers: Iterable[dict[str, Any]]) -> None:  # a repeated field of KeyValue
    for answer in answers:
        _write_value(pairs.add(key=answer["key"]).value, answer["value"])


def _write_value(message: messages.AnyValue, written: dict[str, Any]) -> None:
    """Write a value that is there in OTLP's JSON."""
    ((kind, content),) = written.items()
    if kind == "stringValue":
        message.string_value = content
    elif kind == "intValue":
        message.int_value = (int(content) + SIGN_64) % SIZE_64 - SIGN_64  # Go's integers have 64 bits
    elif kind == "doubleValue":
        message.double_value = float(content)
    elif kind == "boolValue":
        message.bool_value = content
    else:
        message.array_value.SetInParent()
        for member in content.get("values", ()):
            _write_value(message.array_value.values.add(), member)


def _write_labels(pairs: Any, labels: Labels) -> None:  # a repeated field of KeyValue
    for name, value in labels:
        _write_label(pairs.add(key=name).value, value)


def _write_label(message: messages.AnyValue, value: Static) -> None:
    _write_value(message, json_value(value))


def range_series(result: Result, intervals: Intervals, deadline: Deadline) -> Iterator[messages.TimeSeries]:
    """Make the series of a query over a range, one after the other.

    Raises:
        QueryTooLongError: the deadline passed.
    """
    times = [intervals.timestamp_ms(step) for step in deadline.watch(range(intervals.count), PIECE)]
    for series in result.series:
        deadline.check()
        message = messages.TimeSeries()
        _write_labels(message.labels, series.labels)
        for step, timestamp_ms in enumerate(deadline.watch(times, PIECE)):
            value = series.value(step)
            if value is not None:
                message.samples.add(timestamp_ms=timestamp_ms, value=value)
        for exemplar, value in exemplars_of(series, intervals):
            written = message.exemplars.add(timestamp_ms=exemplar.timestamp_ms, value=value)
            _write_labels(written.labels, exemplar.labels)
        yield message


def instant_series(series: Series) -> messages.InstantSeries:
    """Make the series of a query for one value."""
    message = messages.InstantSeries(value=series.value(0) or 0.0)
    _write_labels(message.labels, series.labels)
    return message


def status_of(result: Result, limit: int) -> dict[str, Any]:
    """Say whether series may be missing, as the fields of a message."""
    return {"status": messages.PARTIAL, "message": partial_message(limit)} if result.is_partial else {}


def packets(
    empty: Packet, field: str, items: Iterable[Any], last: Packet | None = None, limit: int = STREAMED_MESSAGE_BYTES
) -> Iterator[Packet]:
    """Put items into messages of a bounded size; one that is larger gets a message of its own.

    Args:
        empty: a message without items.
        field: where the items go.
        items: messages or texts.
        last: what the last message has besides; None for nothing.
        limit: how large a message may be, bytes.
    """
    packet, size = _copied(empty), empty.ByteSize()
    for item in items:
        added = FRAMING_BYTES + (len(item.encode()) if isinstance(item, str) else item.ByteSize())
        if getattr(packet, field) and size + added > limit:
            yield packet
            packet, size = _copied(empty), empty.ByteSize()
        getattr(packet, field).append(item)
        size += added
    if last is not None:
        packet.MergeFrom(last)
    yield packet


def _copied(message: Packet) -> Packet:
    copy: Packet = type(message)()
    copy.CopyFrom(message)
    return copy
