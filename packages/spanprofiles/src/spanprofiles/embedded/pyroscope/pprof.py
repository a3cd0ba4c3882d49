"""pprof profiles as they are pushed: decoded, checked against the limits, and split into series and spans.

Source: github.com/google/pprof ``proto/profile.proto``; the limits and refusals are those of Pyroscope 2.2.1.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence

from google.protobuf.message import DecodeError

from spanprofiles.embedded.compression import BadBodyError, BodyTooLargeError, bounded_gunzip
from spanprofiles.embedded.proto.pprof_pb2 import Line, Location, Profile
from spanprofiles.embedded.pyroscope.allowance import Allowance, Stacks
from spanprofiles.embedded.pyroscope.bounds import check_samples, check_size, check_time
from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.labels import SPY, labels_text, merged_labels
from spanprofiles.embedded.pyroscope.languages import without_shapes
from spanprofiles.embedded.pyroscope.limits import (
    DEPTH_LIMIT,
    LINES_LIMIT,
    SIZE_LIMIT,
    SYMBOL_LENGTH_LIMIT,
    Quantity,
)
from spanprofiles.embedded.pyroscope.series import Group, Head, Series, check_type_names, group_of, malformed
from spanprofiles.embedded.pyroscope.shape import ShapeError, check_profile_shape
from spanprofiles.embedded.refusals import Reason
from spanprofiles.embedded.store.profiles import NewProfile

GZIP_MAGIC = b"\x1f\x8b"
LOCATION_NUMBERS = "Q"


def decode(raw: bytes, allowance: Allowance | None = None) -> tuple[Profile, int]:
    """Decode a profile, gzip'd or not; return it with its size in bytes once decompressed.

    Args:
        raw: the profile.
        allowance: what the upload that it came in may still bring.

    Raises:
        ConnectError: it is no profile, or has too much of something.
    """
    # The real server takes whatever is too short to be gzip for damaged gzip.
    if len(raw) < 10 and raw:
        raise ConnectError("gzip reset: unexpected EOF", "unknown", Reason.UNDECODED)
    try:
        data = bounded_gunzip(raw, SIZE_LIMIT) if raw.startswith(GZIP_MAGIC) else raw
    except BadBodyError as error:
        raise ConnectError(f"gzip reset: {error}", "unknown", Reason.UNDECODED) from error
    except BodyTooLargeError as error:
        raise _too_large(f"more than {SIZE_LIMIT}") from error
    if len(data) > SIZE_LIMIT:
        raise _too_large(str(len(data)))
    if allowance is not None:
        allowance.take(Quantity.BYTES, len(data))
    profile = Profile()
    try:
        check_profile_shape(data)
        profile.ParseFromString(data)
    except ShapeError as error:
        raise ConnectError(str(error), reason=Reason.FRAMES) from error
    except DecodeError as error:
        raise ConnectError(f"the profile is not valid pprof: {error}", reason=Reason.UNDECODED) from error
    return profile, len(data)


def _too_large(actual: str) -> ConnectError:
    return ConnectError(
        "the uncompressed profile exceeds the size limit"
        f" (max_profile_size_bytes, actual: {actual}, limit: {SIZE_LIMIT})",
        reason=Reason.PROFILE_SIZE,
    )


def check(profile: Profile, size: int, labels: Mapping[str, str], now_ns: int) -> None:
    """See that a profile is whole and within the limits.

    Raises:
        ConnectError: it is not; the message says what is wrong.
    """
    shown = labels_text(labels)
    if not profile.sample_type:
        raise malformed("empty profile")
    check_time(shown, profile.time_nanos, now_ns)
    check_size(shown, size)
    check_samples(shown, len(profile.sample), max((len(sample.label) for sample in profile.sample), default=0))
    _check_references(profile)


def _check_references(profile: Profile) -> None:
    """See that the profile's tables are whole; what samples refer to is checked when they are read."""
    strings = len(profile.string_table)
    if not strings or profile.string_table[0]:
        raise malformed("string 0 should be empty string")
    if any(location.id == 0 for location in profile.location):
        raise malformed("location id is 0")
    if any(function.id == 0 for function in profile.function):
        raise malformed("function id is 0")
    for function in profile.function:  # a text before the first is the first: so it is there
        function.name, function.system_name = max(0, function.name), max(0, function.system_name)
        function.filename = max(0, function.filename)
    checks: tuple[tuple[str, Iterable[int]], ...] = (
        ("sample type", (n for kind in (*profile.sample_type, profile.period_type) for n in (kind.type, kind.unit))),
        ("function", (n for f in profile.function for n in (f.name, f.system_name, f.filename))),
    )
    for what, numbers in checks:
        if any(not 0 <= number < strings for number in numbers):
            raise malformed(f"{what} string index out of range")
    check_type_names(profile.string_table[kind.type] for kind in profile.sample_type)


class Reader:
    """Reads the stacks and labels of a profile's samples, each different one once.

    Args:
        profile: a profile that was checked.
        allowance: what the upload that it came in may still bring.
        spy: what the agent calls itself; empty where that is not known.
    """

    def __init__(self, profile: Profile, allowance: Allowance, spy: str = "") -> None:
        self._strings = without_shapes(spy, list(profile.string_table))
        self._names = [text[-SYMBOL_LENGTH_LIMIT:] for text in self._strings]
        self._functions = {function.id: function for function in profile.function}
        self._locations = {location.id: location for location in profile.location}
        self._mappings = {mapping.id for mapping in profile.mapping}
        self._frames: dict[int, tuple[int, ...] | None] = {}
        self._made = Stacks(allowance)
        self._stacks: dict[bytes, int | None] = {}
        self._groups: dict[tuple[tuple[int, int], ...], Group] = {}
        self.table = self._made.table

    def _frames_of(self, number: int) -> tuple[int, ...] | None:
        """Return the frames of a location, root first: several where functions were inlined, none where it has no name.

        None for a location that is not in the profile or refers to what is not, or that says nothing at all.
        """
        if number not in self._frames:
            location = self._locations.get(number)
            self._frames[number] = None if location is None else self._read_location(location)
        return self._frames[number]

    def _read_location(self, location: Location) -> tuple[int, ...] | None:
        if location.mapping_id and location.mapping_id not in self._mappings:
            return None
        if not location.line:
            return () if location.address else None
        if len(location.line) > LINES_LIMIT:
            raise ConnectError(
                f"location {location.id} has {len(location.line)} lines, one for each function inlined in it;"
                f" the limit is {LINES_LIMIT}",
                reason=Reason.FRAMES,
            )
        if not all(line.function_id in self._functions for line in location.line):
            return None
        return tuple([self._frame(line) for line in reversed(location.line)])

    def _frame(self, line: Line) -> int:
        function = self._functions[line.function_id]
        names = (function.name, function.system_name, function.filename)
        name, system_name, file_name = (self._names[number] for number in names)
        return self._made.frame((name, system_name, file_name, line.line))

    def stack(self, locations: Sequence[int]) -> int | None:
        """Return the place in the table of a stack of locations, leaf first; a deep one is cut to its outermost frames.

        None where a location is not in the profile, or refers to what is not: the real server drops such a sample.

        Raises:
            ConnectError: there are too many frames.
        """
        outermost = array(LOCATION_NUMBERS, locations[-DEPTH_LIMIT:])
        key = outermost.tobytes()
        if key not in self._stacks:
            self._stacks[key] = self._made_stack(outermost)
        return self._stacks[key]

    def _made_stack(self, locations: Sequence[int]) -> int | None:
        frames: list[int] = []
        known = self._frames
        for number in reversed(locations):
            more = known[number] if number in known else self._frames_of(number)
            if more is None:
                return None
            if len(more) == 1 or len(frames) < DEPTH_LIMIT:  # of locations, there are no more than that
                frames += more
        return self._made.add(frames)

    def group(self, pairs: tuple[tuple[int, int], ...]) -> Group:
        """Read labels, given as (key, value) string numbers; of labels with one name the last counts.

        Raises:
            ConnectError: a number is not in the string table.
        """
        known = self._groups.get(pairs)
        if known is None:
            known = self._groups[pairs] = self._read_group(pairs)
        return known

    def _read_group(self, pairs: tuple[tuple[int, int], ...]) -> Group:
        found = []
        for key, value in pairs:
            if not (0 <= key < len(self._strings) and 0 <= value < len(self._strings)):
                raise malformed("sample label string index out of range")
            # A label without a text has a number, which says nothing of spans or series.
            if value:
                found.append((self._strings[key], self._strings[value]))
        return group_of(found)


def split(
    profile: Profile, pairs: Sequence[tuple[str, str]], now_ns: int, allowance: Allowance | None = None
) -> list[NewProfile]:
    """Split a profile into series: one for each sample type and each set of sample labels that splits series.

    Args:
        profile: a profile that was checked.
        pairs: the labels of the push.
        now_ns: the time of arrival, for a profile without its own.
        allowance: what the upload that it came in may still bring.

    Raises:
        ConnectError: the labels of the push are not taken, a sample's label refers to a text that the profile does not
            have, a sample has too few or too many values, or there is too much of something.
    """
    strings = profile.string_table
    allowance = allowance or Allowance()
    labels = merged_labels(pairs)
    reader = Reader(profile, allowance, labels.get(SPY, ""))
    head = Head(
        labels=labels,
        types=[(strings[kind.type], strings[kind.unit]) for kind in profile.sample_type],
        period=(strings[profile.period_type.type], strings[profile.period_type.unit]),
        time_ms=(profile.time_nanos if profile.time_nanos > 0 else now_ns) // 10**6,
    )
    series = Series(head, reader.table, allowance)
    for sample in profile.sample:
        group = reader.group(tuple([(label.key, label.str) for label in sample.label]))
        stack = reader.stack(sample.location_id)
        if stack is not None:
            series.add(group, stack, sample.value)
    return series.profiles(pairs)
