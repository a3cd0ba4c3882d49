"""A client of Tempo's queries over gRPC, and the answers as the same question gets them over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import grpc
from google.protobuf import json_format

from spanprofiles.embedded.proto import tempo_pb2 as messages

CALL_S = 20.0
BAD_REQUEST = 400
REFUSED = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNKNOWN}
"""What 400 is over gRPC; Tempo 3.0.3 has no code for a metrics query that it refuses."""
MESSAGES: dict[str, tuple[Any, Any]] = {
    "Search": (messages.SearchRequest, messages.SearchResponse),
    "SearchTags": (messages.SearchTagsRequest, messages.SearchTagsResponse),
    "SearchTagsV2": (messages.SearchTagsRequest, messages.SearchTagsV2Response),
    "SearchTagValues": (messages.SearchTagValuesRequest, messages.SearchTagValuesResponse),
    "SearchTagValuesV2": (messages.SearchTagValuesRequest, messages.SearchTagValuesV2Response),
    "MetricsQueryRange": (messages.QueryRangeRequest, messages.QueryRangeResponse),
    "MetricsQueryInstant": (messages.QueryInstantRequest, messages.QueryInstantResponse),
}
LISTS: dict[str, dict[str, Any]] = {
    "Search": {"traces": []},
    "SearchTags": {"tagNames": []},
    "SearchTagsV2": {"scopes": []},
    "SearchTagValues": {"tagValues": []},
    "SearchTagValuesV2": {"tagValues": []},
    "MetricsQueryRange": {"series": []},
}
"""The list in an answer of each method, which is there over HTTP even where it is empty."""
NAMES = {"Query": "q", "query": "q", "Limit": "limit", "SpansPerSpanSet": "spss", "maxTagsPerScope": "limit"}
"""What the parameters over HTTP are called, where not alike."""
NAMES |= {"maxTagValues": "limit"}


@dataclass(frozen=True)
class Question:
    """A question that can be asked both ways.

    Attributes:
        method: the method of gRPC.
        fields: of its request.
    """

    method: str
    fields: dict[str, Any]

    @property
    def path(self) -> str:
        """The same question over HTTP."""
        parameters = {NAMES.get(name, name): value for name, value in self.fields.items() if name != "tagName"}
        if self.method.startswith("Metrics") and "step" in parameters:
            parameters["step"] = f"{parameters['step']}ns"
        tag = self.fields.get("tagName", "")
        paths = {
            "Search": "/api/search",
            "SearchTags": "/api/search/tags",
            "SearchTagsV2": "/api/v2/search/tags",
            "SearchTagValues": f"/api/search/tag/{tag}/values",
            "SearchTagValuesV2": f"/api/v2/search/tag/{tag}/values",
            "MetricsQueryRange": "/api/metrics/query_range",
            "MetricsQueryInstant": "/api/metrics/query",
        }
        return f"{paths[self.method]}?{urlencode(parameters)}"


class StreamClient:
    """Asks a Tempo over gRPC.

    Args:
        channel: to its HTTP port.
    """

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel

    def messages(self, method: str, metadata: dict[str, str] | None = None, **fields: Any) -> list[Any]:
        """All messages of an answer."""
        return list(self.call(method, metadata, **fields))

    def call(self, method: str, metadata: dict[str, str] | None = None, **fields: Any) -> Any:
        """The call, whose messages come one after the other."""
        request, response = MESSAGES[method]
        stream = self._channel.unary_stream(
            f"/tempopb.StreamingQuerier/{method}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )
        return stream(request(**fields), timeout=CALL_S, metadata=list((metadata or {}).items()))

    def hanging_call(self, method: str, until: threading.Event) -> Any:
        """A call whose request does not come until something happens."""

        def never() -> Iterator[bytes]:
            until.wait(CALL_S)
            yield from ()

        return self._channel.stream_stream(f"/tempopb.StreamingQuerier/{method}")(never(), timeout=CALL_S)

    def failure(self, method: str, metadata: dict[str, str] | None = None, **fields: Any) -> Any:
        """Why a call is refused; None where it is not."""
        try:
            self.messages(method, metadata, **fields)
        except grpc.RpcError as error:
            return error
        return None

    def answer(self, question: Question) -> tuple[int, bytes]:
        """The answer as it is over HTTP: status and body."""
        try:
            found = self.messages(question.method, **question.fields)
        except grpc.RpcError as error:
            status = BAD_REQUEST if error.code() in REFUSED else 0
            return status, str(error.details()).encode()
        shown = json_format.MessageToDict(_whole(found))
        return 200, json.dumps({**LISTS.get(question.method, {}), **shown}).encode()


def _whole(found: list[Any]) -> Any:
    """The messages as one: what comes again replaces what came before."""
    whole = type(found[-1])()
    whole.CopyFrom(found[-1])
    for field in ("traces", "series"):
        if hasattr(whole, field):
            parts = {_key(part): part for message in found for part in getattr(message, field)}
            del getattr(whole, field)[:]
            getattr(whole, field).extend(parts.values())
    for field in ("tagNames", "tagValues", "scopes"):
        if hasattr(whole, field):
            parts = {str(part): part for message in found for part in getattr(message, field)}
            del getattr(whole, field)[:]
            getattr(whole, field).extend(parts.values())
    return whole


def _key(part: Any) -> object:
    return part.traceID if isinstance(part, messages.TraceSearchMetadata) else str(part.labels)


@contextmanager
def streams_of(url: str) -> Iterator[StreamClient]:
    """A client of a Tempo's HTTP port while the context is entered."""
    own_connection = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(urlsplit(url).netloc, options=own_connection) as channel:
        yield StreamClient(channel)
