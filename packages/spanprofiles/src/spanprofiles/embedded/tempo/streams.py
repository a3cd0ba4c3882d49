"""Tempo's queries as ``tempopb.StreamingQuerier`` has them: how far a query is while it runs, and then the answer.

Each is answered by the functions that answer the same question over HTTP, so both say the same.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from google.protobuf.message import DecodeError

from spanprofiles.embedded.deadline import PIECE
from spanprofiles.embedded.limits import PROGRESS_S
from spanprofiles.embedded.proto import tempo_pb2 as messages
from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.store.database import Database
from spanprofiles.embedded.tempo.candidates import Candidates
from spanprofiles.embedded.tempo.metrics_query import check_values, run_metrics
from spanprofiles.embedded.tempo.metrics_request import MetricsRequest
from spanprofiles.embedded.tempo.parameters import Search, limit_of, refusal
from spanprofiles.embedded.tempo.search import found_traces, refused_evaluation
from spanprofiles.embedded.tempo.stream_messages import (
    SizeCheck,
    found_message,
    instant_series,
    metadata_metrics,
    packets,
    range_series,
    search_metrics,
    status_of,
)
from spanprofiles.embedded.tempo.tags import (
    Tags,
    names_by_scope,
    plain_names,
    tag_attribute,
    value_answer,
)

SERVICE = "tempopb.StreamingQuerier"
PATHS = {
    "Search": "/api/search",
    "SearchTags": "/api/search/tags",
    "SearchTagsV2": "/api/v2/search/tags",
    "SearchTagValues": "/api/search/tag/",
    "SearchTagValuesV2": "/api/v2/search/tag/",
    "MetricsQueryRange": "/api/metrics/query_range",
    "MetricsQueryInstant": "/api/metrics/query",
}
"""The methods, and where the same is asked over HTTP."""
Message = Any
"""A message of protobuf."""
Response = Callable[..., Message]
"""Makes an answer without its content."""


class Progress:
    """Says how far a query is, now and then.

    Args:
        send: takes a message for the caller.
        clock: a time that is never set, s.

    Attributes:
        current: makes the messages that say how far the query is.
    """

    def __init__(self, send: Callable[[Message], None], clock: Callable[[], float] = time.monotonic) -> None:
        self.send = send
        self.current: Callable[[], Iterable[Message]] = tuple
        self._clock = clock
        self._next_s = clock() + PROGRESS_S

    def look(self) -> None:
        """Say it if it was not said for a while; called whenever a query looks at its deadline."""
        now_s = self._clock()
        if now_s >= self._next_s:
            self._next_s = now_s + PROGRESS_S
            for message in self.current():
                self.send(message)


class Streams:
    """Answers calls.

    Args:
        database: what is asked.
        candidates: reads traces; the same as for HTTP, since it remembers.
        tags: answers questions about names and values.
    """

    def __init__(self, database: Database, candidates: Candidates, tags: Tags) -> None:
        self._database = database
        self._candidates = candidates
        self._tags = tags
        self._methods: Mapping[str, Callable[[bytes, Progress], None]] = {
            "Search": self._search,
            "SearchTags": self._tags_v1,
            "SearchTagsV2": self._tags_v2,
            "SearchTagValues": self._values_v1,
            "SearchTagValuesV2": self._values_v2,
            "MetricsQueryRange": self._metrics_range,
            "MetricsQueryInstant": self._metrics_instant,
        }

    def answer(self, method: str, request: bytes, progress: Progress) -> None:
        """Answer a call, within the time that the database has for it.

        Args:
            method: one of ``PATHS``.
            request: its message.
            progress: takes the messages of the answer; the last of them are the whole answer.

        Raises:
            AnswerError: it is refused.
            QueryTooLongError: the deadline passed.
            AnswerTooLargeError: the answer is too large.
        """
        self._methods[method](request, progress)

    def _search(self, request: bytes, progress: Progress) -> None:
        search = _search_of(_decoded(messages.SearchRequest(), request))
        connection = self._database.reader()
        response = _query_response(progress, messages.SearchResponse, connection)
        check = SizeCheck()
        found: list[tuple[int, Message]] = []
        said = 0

        def current() -> Iterable[Message]:
            nonlocal said
            news, said = [message for _, message in found[said:]], len(found)
            return packets(response(), "traces", news)

        progress.current = current
        with refused_evaluation():
            for trace in found_traces(connection, self._candidates, search):
                message = found_message(trace, connection.deadline)
                check.take(message.ByteSize())
                found.append((trace.record.start_ns, message))
        newest_first = [message for _, message in sorted(found, key=lambda pair: -pair[0])]
        _send(progress, response(is_complete=True), "traces", newest_first)

    def _tags_v1(self, request: bytes, progress: Progress) -> None:
        parameters = _tags_parameters(_decoded(messages.SearchTagsRequest(), request))
        connection = self._database.reader()
        response = _names_response(progress, messages.SearchTagsResponse, connection)
        names = plain_names(self._tags.names_for(connection, parameters), parameters)
        _send(progress, response(), "tagNames", names)

    def _tags_v2(self, request: bytes, progress: Progress) -> None:
        parameters = _tags_parameters(_decoded(messages.SearchTagsRequest(), request))
        connection = self._database.reader()
        response = _names_response(progress, messages.SearchTagsV2Response, connection)
        found = names_by_scope(self._tags.names_for(connection, parameters), parameters)
        scopes = [
            part for scope, names in found for part in packets(messages.SearchTagsV2Scope(name=scope), "tags", names)
        ]
        _send(progress, response(), "scopes", scopes)

    def _values_v1(self, request: bytes, progress: Progress) -> None:
        message = _decoded(messages.SearchTagValuesRequest(), request)
        parameters = _tags_parameters(message)
        connection = self._database.reader()
        response = _names_response(progress, messages.SearchTagValuesResponse, connection)
        values = self._tags.plain_values_for(connection, _tag_of(message), parameters)
        _send(progress, response(), "tagValues", values)

    def _values_v2(self, request: bytes, progress: Progress) -> None:
        message = _decoded(messages.SearchTagValuesRequest(), request)
        parameters = _tags_parameters(message)
        connection = self._database.reader()
        response = _names_response(progress, messages.SearchTagValuesV2Response, connection)
        found = self._tags.values_for(connection, tag_attribute(_tag_of(message)), parameters)[: limit_of(parameters)]
        values = (messages.TagValue(**value_answer(value)) for value in connection.deadline.watch(found, PIECE))
        _send(progress, response(), "tagValues", values)

    def _metrics_range(self, request: bytes, progress: Progress) -> None:
        message = _decoded(messages.QueryRangeRequest(), request)
        asked = MetricsRequest.over(
            message.query,
            message.start,
            message.end,
            message.step or None,
            message.exemplars,
            message.maxSeries,
            is_instant=message.instant,
        )
        connection = self._database.reader()
        response = _query_response(progress, messages.QueryRangeResponse, connection)
        result = run_metrics(connection, self._candidates, asked)
        check_values(result, asked.intervals)
        series = range_series(result, asked.intervals, connection.deadline)
        last = messages.QueryRangeResponse(**status_of(result, asked.limit))
        _send(progress, response(is_complete=True), "series", series, last)

    def _metrics_instant(self, request: bytes, progress: Progress) -> None:
        message = _decoded(messages.QueryInstantRequest(), request)
        asked = MetricsRequest.for_range(message.query, message.start, message.end)
        connection = self._database.reader()
        response = _query_response(progress, messages.QueryInstantResponse, connection)
        result = run_metrics(connection, self._candidates, asked)
        series = map(instant_series, connection.deadline.watch(result.series, PIECE))
        last = messages.QueryInstantResponse(**status_of(result, asked.limit))
        _send(progress, response(is_complete=True), "series", series, last)


def _names_response(progress: Progress, kind: Callable[..., Message], connection: StoreConnection) -> Response:
    """Return what makes an answer that says only what was read for it, and let that be how far the query is."""

    def response() -> Message:
        return kind(metrics=metadata_metrics(connection.inspected))

    progress.current = lambda: [response()]
    return response


def _query_response(progress: Progress, kind: Callable[..., Message], connection: StoreConnection) -> Response:
    """Return the same for a search and for metrics; it takes ``is_complete``, which is false while the query runs."""

    def response(*, is_complete: bool = False) -> Message:
        return kind(metrics=search_metrics(connection.inspected, is_complete=is_complete))

    progress.current = lambda: [response()]
    return response


def _send(progress: Progress, response: Message, field: str, items: Iterable[Any], last: Message | None = None) -> None:
    """Send the whole answer, in messages of a bounded size, when all of it is there.

    Raises:
        AnswerTooLargeError: it is too large.
    """
    check = SizeCheck()
    whole = []
    for packet in packets(response, field, items, last):
        check.take(packet.ByteSize())
        whole.append(packet)
    for packet in whole:
        progress.send(packet)


def _decoded(message: Message, body: bytes) -> Message:
    """Read a request.

    Raises:
        AnswerError: it is no such message.
    """
    try:
        message.ParseFromString(body)
    except (DecodeError, UnicodeDecodeError) as error:
        raise refusal(f"the request is no {message.DESCRIPTOR.name}") from error
    return message


def _search_of(message: Message) -> Search:
    """Read a search as the same one over HTTP is read.

    Raises:
        AnswerError: it is refused.
    """
    counts = {
        "start": message.start,
        "end": message.end,
        "limit": message.Limit,
        "spss": message.SpansPerSpanSet,
    }
    parameters = {name: str(count) for name, count in counts.items() if count}
    for name, milliseconds in (("minDuration", message.MinDurationMs), ("maxDuration", message.MaxDurationMs)):
        if milliseconds:
            parameters[name] = f"{milliseconds}ms"
    if message.Query:
        parameters["q"] = message.Query
    if message.Tags:
        parameters["tags"] = " ".join(
            f'{_key(name)}="{_escaped(value)}"' for name, value in sorted(message.Tags.items())
        )
    return Search.of(parameters)


def _key(name: str) -> str:
    """Write the name of a tag in logfmt, which leaves out what no key can have.

    Raises:
        AnswerError: nothing is left of it.
    """
    key = re.sub(r'[\s="]', "", name)
    if not key:
        raise refusal("build search request failed: invalid key")
    return key


def _escaped(value: str) -> str:
    """Write a text as it stands between quotation marks in logfmt."""
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _tags_parameters(message: Message) -> dict[str, str]:
    """Write a request for names or values as parameters."""
    is_names = isinstance(message, messages.SearchTagsRequest)
    texts = {"scope": message.scope if is_names else "", "q": message.query}
    limit = message.maxTagsPerScope if is_names else message.maxTagValues
    counts = {"start": message.start, "end": message.end, "limit": limit}
    parameters = {name: text for name, text in texts.items() if text}
    return parameters | {name: str(count) for name, count in counts.items() if count}


def _tag_of(message: messages.SearchTagValuesRequest) -> str:
    """Return the tag whose values are asked for.

    Raises:
        AnswerError: there is none.
    """
    if not message.tagName:
        raise refusal("please provide a non-empty tagName")
    return message.tagName
