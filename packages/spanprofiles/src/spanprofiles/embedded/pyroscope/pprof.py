"""pprof profiles as they are pushed: decoded, checked against the limits, and split into series and spans.

Source: github.com/google/pprof ``proto/profile.proto``; the limits and refusals are those of Pyroscope 2.2.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from google.protobuf.message import DecodeError

from spanprofiles.embedded.compression import BadBodyError, BodyTooLargeError, bounded_gunzip
from spanprofiles.embedded.proto.pprof_pb2 import Location, Profile, Sample
from spanprofiles.embedded.pyroscope.allowance import Allowance, Stacks
from spanprofiles.embedded.pyroscope.bounds import check_samples, check_size, check_time
from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.labels import SPY, labels_text, merged_labels
from spanprofiles.embedded.pyroscope.languages import without_shapes
from spanprofiles.embedded.pyroscope.limits import (
    DEPTH_LIMIT,
    LINES_LIMIT,
    SAMPLE_LABELS_LIMIT,
    SIZE_LIMIT,
    SYMBOL_LENGTH_LIMIT,
    Quantity,
)
from spanprofiles.embedded.pyroscope.sample_parts import LENGTH_MASK, parts_of, serialized_samples
from spanprofiles.embedded.pyroscope.series import Group, Head, Series, Sums, check_type_names, group_of, malformed
from spanprofiles.embedded.pyroscope.shape import ShapeError, check_profile_shape
from spanprofiles.embedded.refusals import Reason
from spanprofiles.embedded.store.profiles import NewProfile

GZIP_MAGIC = b"\x1f\x8b"
LABEL_BYTES = 2
"""How many bytes a label takes at least."""
END = b"\0"
"""What stands between stacks whose locations take a byte each."""
PLAIN_BYTES = 2 + LENGTH_MASK
"""The largest field whose length takes one byte."""


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


def check(profile: Profile, samples: Sequence[bytes], size: int, labels: Mapping[str, str], now_ns: int) -> None:
    """See that a profile is whole and within the limits.

    Args:
        profile: the profile.
        samples: its samples, serialized.
        size: its size in bytes once decompressed.
        labels: the labels of its upload.
        now_ns: the time of arrival, ns since the epoch.

    Raises:
        ConnectError: it is not; the message says what is wrong.
    """
    shown = labels_text(labels)
    if not profile.sample_type:
        raise malformed("empty profile")
    check_time(shown, profile.time_nanos, now_ns)
    check_size(shown, size)
    check_samples(shown, len(samples), _most_labels(profile, samples))
    _check_references(profile)


def read(
    raw: bytes, pairs: Iterable[tuple[str, str]], now_ns: int, allowance: Allowance
) -> tuple[Profile, Sequence[bytes]]:
    """Decode a profile and check it; return it with its samples, serialized.

    Args:
        raw: the profile, gzip'd or not.
        pairs: the labels of its upload.
        now_ns: the time of arrival, ns since the epoch.
        allowance: what the upload may still bring.

    Raises:
        ConnectError: it is no profile, is not whole, or is not within the limits.
    """
    profile, size = decode(raw, allowance)
    samples = serialized_samples(profile)
    check(profile, samples, size, merged_labels(pairs), now_ns)
    return profile, samples


def _most_labels(profile: Profile, samples: Sequence[bytes]) -> int:
    """How many labels a sample has at most; no less than that, where they are so few that it does not matter."""
    bound = max(map(len, samples), default=0) // LABEL_BYTES
    if bound <= SAMPLE_LABELS_LIMIT:
        return bound
    return max((len(sample.label) for sample in profile.sample), default=0)


def _check_references(profile: Profile) -> None:
    """See that the profile's tables are whole; what samples refer to is checked when they are read."""
    strings = len(profile.string_table)
    if not strings or profile.string_table[0]:
        raise malformed("string 0 should be empty string")
    if 0 in [location.id for location in profile.location]:
        raise malformed("location id is 0")
    if 0 in [function.id for function in profile.function]:
        raise malformed("function id is 0")
    kinds = [*profile.sample_type, profile.period_type]
    if any(not 0 <= number < strings for kind in kinds for number in (kind.type, kind.unit)):
        raise malformed("sample type string index out of range")
    for function in profile.function:  # a text before the first is the first: so it is there
        if max(function.name, function.system_name, function.filename) >= strings:
            raise malformed("function string index out of range")
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
        self._made = Stacks(allowance)
        self._places: dict[int, int] = {}  # of functions, by their number
        self._frames: dict[int, tuple[int, ...] | None] = {}
        self._single: dict[int, int] = {}  # the frames of those locations that have one
        self._in_bytes = bytearray(256)  # the same for numbers of one byte
        self._cut: dict[tuple[int, ...], int | None] = {}
        self.table = self._made.table

    def _read_frames(self, number: int) -> tuple[int, ...] | None:
        """Read the frames of a location, root first: several where functions were inlined, none where it has no name.

        None for a location that is not in the profile or refers to what is not, or that says nothing at all.
        """
        location = self._locations.get(number)
        frames = self._frames[number] = None if location is None else self._read_location(location)
        if frames is not None and len(frames) == 1:
            self._single[number] = frames[0]
            if number <= LENGTH_MASK and frames[0] < len(self._in_bytes):
                self._in_bytes[number] = frames[0]
        return frames

    def _read_location(self, location: Location) -> tuple[int, ...] | None:
        mapping, lines = location.mapping_id, location.line
        if mapping and mapping not in self._mappings:
            return None
        if len(lines) == 1:  # most often no function was inlined
            line = lines[0]
            number = line.function_id
            if number not in self._functions:
                return None
            return (self._made.frame_of(self._function(number), line.line),)
        if not lines:
            return () if location.address else None
        if len(lines) > LINES_LIMIT:
            raise ConnectError(
                f"location {location.id} has {len(lines)} lines, one for each function inlined in it;"
                f" the limit is {LINES_LIMIT}",
                reason=Reason.FRAMES,
            )
        if not all(line.function_id in self._functions for line in lines):
            return None
        return tuple([self._made.frame_of(self._function(line.function_id), line.line) for line in reversed(lines)])

    def _function(self, number: int) -> int:
        """Return the place of a function; a text before the first is the first."""
        place = self._places.get(number)
        if place is None:
            function = self._functions[number]
            texts = self._names
            names = (
                texts[max(0, function.name)],
                texts[max(0, function.system_name)],
                texts[max(0, function.filename)],
            )
            place = self._places[number] = self._made.function(names)
        return place

    def stacks(self, different: Iterable[bytes]) -> dict[bytes, int | None]:
        """Return the places in the table of the stacks of samples; a deep one is cut to its outermost frames.

        None where a location is not in the profile, or refers to what is not: the real server drops such a sample.

        Args:
            different: the locations of samples, serialized, leaf first; each once.

        Raises:
            ConnectError: there are too many frames.
        """
        places: dict[bytes, int | None] = {}
        rest: list[bytes] = []
        plain: list[bytes] = []
        for raw in different:  # where each number takes one byte, after the field's own two
            (plain if 2 < len(raw) <= PLAIN_BYTES and raw[2:].isascii() else rest).append(raw)
        joined = END.join([raw[2:] for raw in plain])
        numbers = set(joined).difference(END)
        for number in numbers.difference(self._frames):
            self._read_frames(number)
        others = bytes([number for number in numbers if not self._in_bytes[number]])
        if others or joined.count(END) >= max(1, len(plain)):  # END may also be a number, of no location
            others += END
            rest += [raw for raw in plain if len(raw[2:].translate(None, others)) < len(raw) - 2]
            plain = [raw for raw in plain if len(raw[2:].translate(None, others)) == len(raw) - 2]
            joined = END.join([raw[2:] for raw in plain])
        if plain:
            made = joined[::-1].translate(self._in_bytes).split(END)
            places.update(zip(plain, self._made.add_all(made[::-1]), strict=True))
        for raw in rest:
            places[raw] = self._stack(raw)
        return places

    def _stack(self, raw: bytes) -> int | None:
        """Return the place of one stack, or None, likewise."""
        locations = Sample.FromString(raw).location_id
        outermost = locations[: -DEPTH_LIMIT - 1 : -1]
        if len(locations) > DEPTH_LIMIT:  # it may be as another is, once it is cut
            key = tuple(outermost)
            if key not in self._cut:
                self._cut[key] = self._made_stack(outermost)
            return self._cut[key]
        for number in set(outermost).difference(self._frames):
            self._read_frames(number)
        try:
            frames = list(map(self._single.__getitem__, outermost))
        except KeyError:
            return self._made_stack(outermost)
        return self._made.add(frames)

    def _made_stack(self, locations: Iterable[int]) -> int | None:
        """Make a stack of locations, root first."""
        frames: list[int] = []
        known = self._frames
        for number in locations:
            more = known[number] if number in known else self._read_frames(number)
            if more is None:
                return None
            if len(more) == 1 or len(frames) < DEPTH_LIMIT:  # of locations, there are no more than that
                frames += more
        return self._made.add(frames)

    def group(self, raw: bytes) -> Group:
        """Read the labels of a sample; of labels with one name the last counts.

        Args:
            raw: the sample, serialized, of which the labels alone count.

        Raises:
            ConnectError: a label refers to a text that the profile does not have.
        """
        found = []
        for label in Sample.FromString(raw).label:
            key, value = label.key, label.str
            if not (0 <= key < len(self._strings) and 0 <= value < len(self._strings)):
                raise malformed("sample label string index out of range")
            # A label without a text has a number, which says nothing of spans or series.
            if value:
                found.append((self._strings[key], self._strings[value]))
        return group_of(found)


def split(
    profile: Profile,
    samples: Sequence[bytes],
    pairs: Sequence[tuple[str, str]],
    now_ns: int,
    allowance: Allowance | None = None,
) -> list[NewProfile]:
    """Split a profile into series: one for each sample type and each set of sample labels that splits series.

    Args:
        profile: a profile that was checked.
        samples: its samples, serialized.
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
    _add_samples(samples, len(profile.sample_type), reader, series, allowance)
    return series.profiles(pairs)


def _add_samples(samples: Sequence[bytes], types: int, reader: Reader, series: Series, allowance: Allowance) -> None:
    """Add the samples of a profile to its series.

    Samples differ, but their stacks, labels and values repeat. So each sample is taken as bytes, and what has not been
    seen is decoded alone.

    Args:
        samples: the samples, serialized.
        types: how many values each has.
        reader: reads their parts.
        series: what they are added to.
        allowance: what the upload that they came in may still bring.
    """
    counts: dict[bytes, Sequence[tuple[int, int]]] = {}
    groups: dict[bytes, tuple[Group, list[Sums | None]]] = {}
    parts = list(map(parts_of, samples))
    stacks = reader.stacks(dict.fromkeys([part[0] for part in parts]))
    count, room = 0, allowance.left(Quantity.VALUES)
    for locations, values, labels in parts:
        known = groups.get(labels)
        if known is None:
            known = groups[labels] = reader.group(labels), [None] * types
        stack = stacks[locations]
        if stack is None:
            continue
        counted = counts.get(values)
        if counted is None:
            counted = counts[values] = series.counted(Sample.FromString(values).value)
        count += len(counted)
        if count > room:
            break
        group, sums_by_type = known
        for number, value in counted:
            sums = sums_by_type[number]
            if sums is None:
                sums = sums_by_type[number] = series.sums(group, number)
            for each in sums:
                each[stack] = each.get(stack, 0) + value
    allowance.take(Quantity.VALUES, count)
