"""pprof profiles as they are pushed: decoded, checked against the limits, and split into series and spans.

Source: github.com/google/pprof `proto/profile.proto`; the limits and refusals are those of Pyroscope 2.2.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf.message import DecodeError

from spanprofiles.embedded.messages import MESSAGES
from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.labels import labels_text, time_text
from spanprofiles.embedded.refusals import Reason
from spanprofiles.embedded.store.profiles import NewProfile, StackTable
from spanprofiles.embedded.web import BadBodyError, BodyTooLargeError, bounded_gunzip

SIZE_LIMIT = 4 * 1024 * 1024
SAMPLES_LIMIT = 16_000
SAMPLE_LABELS_LIMIT = 100
DEPTH_LIMIT = 1_000
SYMBOL_LENGTH_LIMIT = 65_535
OLDEST_SECONDS = 3_600
NEWEST_SECONDS = 600
GZIP_MAGIC = b"\x1f\x8b"
HEXADECIMAL = re.compile(rb"[0-9a-fA-F]+")
SPAN_ID, PROFILE_ID, TRACE_ID = "span_id", "profile_id", "trace_id"
DIGITS = {SPAN_ID: 16, TRACE_ID: 32}


def malformed(message: str) -> ConnectError:
    """The error for a profile that is read and makes no sense."""
    return ConnectError(message, reason=Reason.MALFORMED_PROFILE)


def decode(raw: bytes) -> tuple[Any, int]:
    """A profile, gzip'd or not, and its size in bytes once decompressed.

    Raises:
        ConnectError: it is no profile, or far too large.
    """
    # The real server takes whatever is too short to be gzip for damaged gzip.
    if len(raw) < 10 and raw:
        raise ConnectError("gzip reset: unexpected EOF", "unknown", Reason.UNDECODED)
    try:
        data = bounded_gunzip(raw, SIZE_LIMIT * 4) if raw.startswith(GZIP_MAGIC) else raw
    except BadBodyError as error:
        raise ConnectError(f"gzip reset: {error}", "unknown", Reason.UNDECODED) from error
    except BodyTooLargeError as error:
        raise ConnectError(f"the profile exceeds the size limit: {error}", reason=Reason.PROFILE_SIZE) from error
    profile = MESSAGES["Profile"]()
    try:
        profile.ParseFromString(data)
    except DecodeError as error:
        raise ConnectError(f"the profile is not valid pprof: {error}", reason=Reason.UNDECODED) from error
    return profile, len(data)


def check(profile: Any, size: int, labels: Mapping[str, str], now_ns: int) -> None:  # a Profile message
    """See that a profile is whole and within the limits.

    Raises:
        ConnectError: it is not; the message says what is wrong.
    """
    shown = labels_text(labels)
    if not profile.sample_type:
        raise malformed("empty profile")
    if profile.time_nanos > 0:
        oldest, newest = now_ns - OLDEST_SECONDS * 10**9, now_ns + NEWEST_SECONDS * 10**9
        if not oldest < profile.time_nanos < newest:
            raise ConnectError(
                f"profile with labels '{shown}' is outside of ingestion window (profile timestamp:"
                f" {time_text(profile.time_nanos)}, the ingestion window starts at {time_text(oldest)}"
                f" and ends at {time_text(newest)})",
                reason=Reason.NOT_IN_WINDOW,
            )
    if size > SIZE_LIMIT:
        raise ConnectError(
            f"the profile with labels '{shown}' exceeds the size limit"
            f" (max_profile_size_byte, actual: {size}, limit: {SIZE_LIMIT})",
            reason=Reason.PROFILE_SIZE,
        )
    if len(profile.sample) > SAMPLES_LIMIT:
        raise ConnectError(
            f"the profile with labels '{shown}' exceeds the samples count limit"
            f" (max_profile_stacktrace_samples, actual: {len(profile.sample)}, limit: {SAMPLES_LIMIT})",
            reason=Reason.SAMPLES,
        )
    most = max((len(sample.label) for sample in profile.sample), default=0)
    if most > SAMPLE_LABELS_LIMIT:
        raise ConnectError(
            f"the profile with labels '{shown}' exceeds the sample labels limit"
            f" (max_profile_stacktrace_sample_labels, actual: {most}, limit: {SAMPLE_LABELS_LIMIT})",
            reason=Reason.SAMPLE_LABELS,
        )
    _check_references(profile)


def _check_references(profile: Any) -> None:  # a Profile message
    """See that the profile's tables are whole; what samples refer to is seen when they are read."""
    strings = len(profile.string_table)
    if not strings or profile.string_table[0]:
        raise malformed("string 0 should be empty string")
    if any(location.id == 0 for location in profile.location):
        raise malformed("location id is 0")
    if any(function.id == 0 for function in profile.function):
        raise malformed("function id is 0")
    checks: tuple[tuple[str, Iterable[int]], ...] = (
        ("sample type", (n for kind in (*profile.sample_type, profile.period_type) for n in (kind.type, kind.unit))),
        ("function", (n for f in profile.function for n in (f.name, f.system_name, f.filename))),
    )
    for what, numbers in checks:
        if any(not 0 <= number < strings for number in numbers):
            raise malformed(f"{what} string index out of range")
    if any("-" in profile.string_table[kind.type] for kind in profile.sample_type):
        raise malformed("sample type contains -")


def _binary_id(name: str, value: str) -> bytes | None:
    """A span or trace ID in binary; None for one that is not, which the real server keeps as no ID."""
    if len(value) != DIGITS[name] or not HEXADECIMAL.fullmatch(value.encode()):
        return None
    return bytes.fromhex(value)


Group = tuple[tuple[tuple[str, str], ...], tuple["bytes | None", "bytes | None"]]
"""What the labels of a sample say: the labels that split series, and (span ID, trace ID)."""


class Reader:
    """Reads the stacks and labels of a profile's samples, each different one once."""

    def __init__(self, profile: Any) -> None:  # a Profile message
        self._strings = list(profile.string_table)
        self.table = StackTable()
        self._frames = self._frames_by_location(profile)
        self._stacks: dict[tuple[int, ...], int] = {}
        self._groups: dict[tuple[tuple[int, int], ...], Group] = {}

    def _frames_by_location(self, profile: Any) -> dict[int, tuple[int, ...]]:  # a Profile message
        """The frames of each location, root first: one has several where functions were inlined."""
        strings = [text[-SYMBOL_LENGTH_LIMIT:] for text in self._strings]
        functions = {
            function.id: (strings[function.name], strings[function.system_name], strings[function.filename])
            for function in profile.function
        }
        found = {}
        for location in profile.location:
            lines = [(*functions.get(line.function_id, ("", "", "")), line.line) for line in reversed(location.line)]
            frames = lines or [(f"0x{location.address:x}", "", "", 0)]
            found[location.id] = tuple([self.table.frame(frame) for frame in frames])
        return found

    def stack(self, locations: tuple[int, ...]) -> int:
        """The stack of some locations, leaf first, as its place in the table.

        Raises:
            ConnectError: a location is not in the profile.
        """
        known = self._stacks.get(locations)
        if known is None:
            kept = reversed(locations[-DEPTH_LIMIT:])
            try:
                frames = tuple([frame for number in kept for frame in self._frames[number]])
            except KeyError as error:
                raise malformed("sample location is not in the profile") from error
            known = self._stacks[locations] = len(self.table.stacks)
            self.table.stacks.append(frames)
        return known

    def group(self, pairs: tuple[tuple[int, int], ...]) -> Group:
        """What labels say, given as (key, value) string numbers; of labels with one name the last counts.

        Raises:
            ConnectError: a number is not in the string table.
        """
        known = self._groups.get(pairs)
        if known is None:
            known = self._groups[pairs] = self._read_group(pairs)
        return known

    def _read_group(self, pairs: tuple[tuple[int, int], ...]) -> Group:
        found = {}
        for key, value in pairs:
            if not (0 <= key < len(self._strings) and 0 <= value < len(self._strings)):
                raise malformed("sample label string index out of range")
            # A label without a text has a number, which says nothing of spans or series.
            if value:
                name = self._strings[key]
                found[SPAN_ID if name == PROFILE_ID else name] = self._strings[value]
        span_id = _binary_id(SPAN_ID, found.pop(SPAN_ID, ""))
        trace_id = _binary_id(TRACE_ID, found.pop(TRACE_ID, ""))
        return tuple(sorted(found.items())), (span_id, trace_id)


def split(profile: Any, labels: Mapping[str, str], now_ns: int) -> list[NewProfile]:  # a Profile message
    """The profiles of each series: one for each sample type and each set of sample labels that splits series.

    Args:
        profile: a profile that was checked.
        labels: the labels of the push, `__name__` and `service_name` among them.
        now_ns: the time of arrival, for a profile without its own.

    Raises:
        ConnectError: a sample refers to what the profile does not have, or has too few or too many values.
    """
    strings = profile.string_table
    time_ms = (profile.time_nanos if profile.time_nanos > 0 else now_ns) // 10**6
    period = (strings[profile.period_type.type], strings[profile.period_type.unit])
    types = [(strings[kind.type], strings[kind.unit]) for kind in profile.sample_type]
    reader = Reader(profile)
    series: dict[tuple[int, tuple[tuple[str, str], ...]], NewProfile] = {}
    for sample in profile.sample:
        more, owner = reader.group(tuple([(label.key, label.str) for label in sample.label]))
        stack = reader.stack(tuple(sample.location_id))
        values = sample.value
        if len(values) != len(types):
            raise malformed("sample value length mismatch")
        for number, value in enumerate(values):
            if value <= 0:
                continue
            target = series.get((number, more))
            if target is None:
                head = _head(labels, more, types[number], period)
                target = series[number, more] = NewProfile(*head, time_ms, reader.table)
            target.add(stack, value, owner)
    return list(series.values())


def _head(
    labels: Mapping[str, str], more: tuple[tuple[str, str], ...], kind: tuple[str, str], period: tuple[str, str]
) -> tuple[dict[str, str], str]:
    """The labels of a series, with those that are made here, and its profile type."""
    profile_type = ":".join((labels["__name__"], *kind, *period))
    own = {
        "__period_type__": period[0],
        "__period_unit__": period[1],
        "__profile_type__": profile_type,
        "__service_name__": labels["service_name"],
        "__type__": kind[0],
        "__unit__": kind[1],
    }
    # a profile of samples may have no period, and a label without a value is none
    return {**dict(more), **labels, **{name: value for name, value in own.items() if value}}, profile_type
