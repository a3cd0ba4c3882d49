"""One span of a trace, as the harness sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Union

#: The span attribute by which the span processors of all languages name the span's profile.
PROFILE_ID_ATTRIBUTE = "pyroscope.profile.id"

#: The span attribute by which a span processor says why it withholds the profile ID.
PROFILE_MISSING_ATTRIBUTE = "pyroscope.profile.missing"

_LONGEST_REASON = 80

_SERVICE = "service.name"

AttributeValue = Union[str, int, float, bool, bytes, None, "list[AttributeValue]", "dict[str, AttributeValue]"]
"""An OpenTelemetry attribute value (``opentelemetry.proto.common.v1.AnyValue``)."""


class SpanKind(Enum):
    """The span kinds of OpenTelemetry."""

    UNSPECIFIED = "unspecified"
    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"


class SpanStatus(Enum):
    """The status codes of OpenTelemetry."""

    UNSET = "unset"
    OK = "ok"
    ERROR = "error"


@dataclass(frozen=True)
class SpanEvent:
    """Something that happened at one moment of a span, such as an exception.

    Attributes:
        name: what happened, such as ``exception``.
        time_ns: when, ns since the epoch.
        attributes: its attributes.
    """

    name: str
    time_ns: int
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)


@dataclass(frozen=True)
class Span:
    """A finished span.

    Attributes:
        trace_id: 32 hex digits.
        span_id: 16 hex digits.
        parent_id: the parent span's ID, or None for the trace's root.
        name: the operation, such as ``GET /bike``.
        kind: the span kind.
        start_ns: start, ns since the epoch.
        end_ns: end, ns since the epoch.
        attributes: the span's own attributes.
        resource: the attributes of the process that made it.
        status: the status code.
        status_message: what went wrong, if the status is an error.
        parent_is_remote: whether the parent is remote, as the exporter says (OTLP ``flags``); None if it does not say.
        events: what happened during it, in the order it was recorded.
        added: of a local root span, the spans below it whose samples count for it, as they carry profile IDs of their
            own; see :mod:`spanprofiles.model.descendants`. They are known where the whole trace is.
    """

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: SpanKind
    start_ns: int
    end_ns: int
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    resource: Mapping[str, AttributeValue] = field(default_factory=dict)
    status: SpanStatus = SpanStatus.UNSET
    status_message: str = ""
    parent_is_remote: bool | None = None
    events: tuple[SpanEvent, ...] = ()
    added: tuple[Span, ...] = field(default=(), compare=False, repr=False)

    @property
    def duration_ns(self) -> int:
        """Wall-clock time from start to end, ns."""
        return self.end_ns - self.start_ns

    @property
    def service(self) -> str:
        """``service.name`` of the span's process, or an empty text."""
        value = self.resource.get(_SERVICE)
        return value if isinstance(value, str) else ""

    @property
    def profile_id(self) -> str | None:
        """The value of ``pyroscope.profile.id`` on the span, or None. It does not prove that there are samples."""
        value = self.attributes.get(PROFILE_ID_ATTRIBUTE)
        return value if isinstance(value, str) and value else None

    @property
    def profile_ids(self) -> tuple[str, ...]:
        """The profile IDs of all samples that count for the span: its own, if it has one, and those of ``added``."""
        own = (self.profile_id,) if self.profile_id else ()
        return (*own, *(span.profile_id for span in self.added if span.profile_id))

    @property
    def last_sample_ns(self) -> int:
        """When the last of all spans that count for it ended, ns since the epoch."""
        return max([self.end_ns, *(span.end_ns for span in self.added)])

    @property
    def profile_missing(self) -> str:
        """Why its span processor withholds the profile ID, in its first 80 characters; empty if it says nothing."""
        value = self.attributes.get(PROFILE_MISSING_ATTRIBUTE)
        return value[:_LONGEST_REASON] if isinstance(value, str) and not self.profile_id else ""
