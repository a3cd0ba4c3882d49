"""An upload of the Java agent: a JFR file, and a snapshot of the labels that it refers to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from google.protobuf.message import DecodeError

from spanprofiles.embedded.compression import BadBodyError, BodyTooLargeError, bounded_gunzip
from spanprofiles.embedded.export_errors import ExportError
from spanprofiles.embedded.message_counter import MessageCounter
from spanprofiles.embedded.proto.jfr_labels_pb2 import LabelsSnapshot
from spanprofiles.embedded.pyroscope.allowance import Allowance
from spanprofiles.embedded.pyroscope.bounds import check_samples, check_time
from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.jfr.chunks import occurrences
from spanprofiles.embedded.pyroscope.jfr.conversion import JfrProfile, JfrSamples
from spanprofiles.embedded.pyroscope.jfr.primitives import JfrError
from spanprofiles.embedded.pyroscope.labels import NAME, labels_text, merged_labels
from spanprofiles.embedded.pyroscope.limits import JFR_EXPANSION, SIZE_LIMIT, Quantity
from spanprofiles.embedded.pyroscope.series import Head, Series, group_of, signed
from spanprofiles.embedded.refusals import Reason
from spanprofiles.embedded.store.profiles import NewProfile
from spanprofiles.embedded.store.stacks import StackTable

EVENT = "jfr_event"
GZIP_MAGIC = b"\x1f\x8b"
LABELS = MessageCounter(LabelsSnapshot)


@dataclass(frozen=True)
class JfrUpload:
    """What came in.

    Attributes:
        data: the file.
        snapshot: the labels of contexts and the names of spans; empty where there are none.
    """

    data: bytes
    snapshot: LabelsSnapshot

    @classmethod
    def of_parts(cls, data: bytes, labels: bytes) -> JfrUpload:
        """Read both parts of a form, each compressed or not.

        Raises:
            ConnectError: there is no file, or a part is damaged or too large.
        """
        if not data:
            raise bad("jfr field is required")
        return cls(_decompressed(data, "jfr"), _snapshot(_decompressed(labels, "labels") if labels else b""))

    @classmethod
    def of_body(cls, data: bytes) -> JfrUpload:
        """Take a body that is the file itself."""
        return cls(data, LabelsSnapshot())


@dataclass(frozen=True)
class Circumstances:
    """What the request says of a file.

    Attributes:
        labels: of all its profiles, but for their names and the event.
        start_ns: when it begins, ns since the epoch.
        rate: samples a second.
    """

    labels: list[tuple[str, str]]
    start_ns: int
    rate: int


def bad(why: str) -> ConnectError:
    """Make the error for an upload that cannot be read."""
    return ConnectError(f"parsing JFR failed: {why}", "unknown", Reason.UNDECODED)


def _decompressed(data: bytes, what: str) -> bytes:
    if len(data) < len(GZIP_MAGIC):
        raise bad(f"failed to decompress {what}: failed to read magic")
    if not data.startswith(GZIP_MAGIC):
        return data
    try:
        return bounded_gunzip(data, SIZE_LIMIT)
    except BadBodyError as error:
        raise bad(f"failed to decompress {what}: {error}") from error
    except BodyTooLargeError as error:
        raise ConnectError(
            f"failed to decompress {what}: decompressed size exceeds maximum allowed size of {SIZE_LIMIT} bytes",
            "unknown",
            Reason.PROFILE_SIZE,
        ) from error


def _snapshot(data: bytes) -> LabelsSnapshot:
    try:
        LABELS.count(data)
        return LabelsSnapshot.FromString(data)
    except (DecodeError, ExportError) as error:
        raise bad(f"failed to parse labels form field: {error}") from error


def read_profiles(
    upload: JfrUpload, circumstances: Circumstances, expect: Callable[[int], None]
) -> Iterator[Callable[[], list[NewProfile]]]:
    """Read the profiles of an upload; each that is returned is checked and split into series when it is called.

    Args:
        upload: what came in.
        circumstances: what the request says of it.
        expect: called with about how many bytes of memory it needs, before it uses them; what it raises ends the work.

    Raises:
        ConnectError: the file is damaged, or has too much of something.
    """
    expect(JFR_EXPANSION * len(upload.data))
    allowance = Allowance()
    allowance.take(Quantity.BYTES, len(upload.data))
    samples = JfrSamples(upload.snapshot, circumstances.rate, allowance)
    try:
        samples.add_all(occurrences(upload.data))
    except JfrError as error:
        raise bad(str(error)) from error
    labels = [*circumstances.labels, (EVENT, samples.event)]
    for profile in samples.profiles.values():
        named = [*labels, (NAME, profile.kind.metric)]
        yield partial(_split, profile, named, circumstances.start_ns, samples.table, allowance)


def _split(
    profile: JfrProfile, pairs: list[tuple[str, str]], start_ns: int, table: StackTable, allowance: Allowance
) -> list[NewProfile]:
    """Check a profile, and split it into series.

    Raises:
        ConnectError: it is refused.
    """
    now_ns = time.time_ns()
    labels = merged_labels(pairs)
    shown = labels_text(labels)
    check_time(shown, start_ns, now_ns)
    most = max((len(sample.labels) for sample in profile.samples.values()), default=0)
    check_samples(shown, len(profile.samples), most)
    time_ms = (start_ns if start_ns > 0 else now_ns) // 10**6
    series = Series(Head(labels, profile.kind.types, profile.kind.period, time_ms), table, allowance)
    for sample in profile.samples.values():
        series.add(group_of(sample.labels), sample.stack, list(map(signed, sample.values)))
    return series.profiles(pairs)
