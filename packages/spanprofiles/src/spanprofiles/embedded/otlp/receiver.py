"""Takes exports, whatever their transport and their encoding: each is committed whole, or refused whole."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanprofiles.embedded.export_errors import ExportError
from spanprofiles.embedded.limits import KEPT_UPLOAD_BYTES
from spanprofiles.embedded.otlp.rows import check_ids, first_service, span_count, span_rows
from spanprofiles.embedded.refusals import Origin, Reason, Refusal, Refusals, Signal
from spanprofiles.embedded.store.backlog import KeptUpload
from spanprofiles.embedded.store.database import Database
from spanprofiles.embedded.store.traces import SpanBatch, SpanInterners

Expect = Callable[[int], None]
Decode = Callable[[bytes, Expect], ExportTraceServiceRequest]
SPANS = "spans"
"""What exports are called among the uploads that are kept as they came."""


class Receiver:
    """Decodes exports and has them stored; counts what is taken and notes what is refused.

    Args:
        database: where the spans go.
        refusals: where refusals are noted.
    """

    def __init__(self, database: Database, refusals: Refusals | None = None) -> None:
        self._database = database
        self._refusals = refusals or Refusals()
        self._interners = SpanInterners()
        database.index_with(SPANS, self._batch_of)

    def take(self, body: bytes, decode: Decode, expect: Expect, origin: Origin) -> None:
        """Take an export; return when its spans are committed.

        Args:
            body: the export.
            decode: reads it.
            expect: called with about how many bytes of memory the export needs, before it uses them.
            origin: where it comes from.

        Raises:
            ExportError: it is refused, or could not be stored; that is noted.
            OverloadError: there is no room for it.
        """
        try:
            spans = self._store(decode(body, expect))
        except ExportError as error:
            self.note(origin, error.reason, str(error), error.service, error.spans)
            raise
        self._refusals.note_taken(origin.way, spans)

    def _store(self, export: ExportTraceServiceRequest) -> int:
        """Commit the spans of an export; gives their number."""
        spans = span_count(export)
        check_ids(export)
        if export.resource_spans:
            try:
                if export.ByteSize() <= KEPT_UPLOAD_BYTES:
                    self._database.keep(KeptUpload(SPANS, time.time_ns(), export.SerializeToString()))
                else:
                    self._database.write(SpanBatch(span_rows(export), self._interners))
            except sqlite3.Error as error:
                message = f"the spans could not be stored: {error}"
                raise ExportError(message, Reason.NOT_STORED, first_service(export), spans) from error
        return spans

    def _batch_of(self, uploads: Sequence[KeptUpload]) -> SpanBatch:
        """Make the rows of exports that were kept; serialized messages in a row are one message."""
        export = ExportTraceServiceRequest.FromString(b"".join([upload.payload for upload in uploads]))
        return SpanBatch(span_rows(export), self._interners)

    def note(self, origin: Origin, reason: Reason, message: str, service: str = "", spans: int = 0) -> None:
        """Note an export that was refused.

        Args:
            origin: where it came from.
            reason: why it was refused.
            message: the same in a sentence.
            service: whose spans they are; empty where that is not known.
            spans: how many there are; 0 where that is not known.
        """
        refusal = Refusal(Signal.TRACES, origin.way, reason, message, origin.sender, service, spans)
        self._refusals.note(refusal)
