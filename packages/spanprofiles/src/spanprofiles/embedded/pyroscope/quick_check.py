"""Tells of most pushes, in a fraction of the time that it takes to read them, that nothing in them will be refused.

Such a push may be acknowledged before it is read. Of the others this says nothing: they are read first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import prod

from spanprofiles.embedded.proto.pprof_pb2 import Label, Profile, ProfileLists, SampleLists
from spanprofiles.embedded.proto.pyroscope_pb2 import PushRequest
from spanprofiles.embedded.pyroscope import pprof
from spanprofiles.embedded.pyroscope.allowance import ESCAPED, Allowance
from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.labels import COUNT_LIMIT, check_label_sizes, check_labels, merged_labels, pairs_of
from spanprofiles.embedded.pyroscope.limits import DEPTH_LIMIT, LINES_LIMIT, Quantity
from spanprofiles.embedded.pyroscope.series import MADE_HERE, PROFILE_ID, SPAN_ID, TRACE_ID

IDS = frozenset({PROFILE_ID, SPAN_ID, TRACE_ID})
NAMES_OF_FUNCTION = 3
"""A function has a name, a system name and a file name."""
TEXTS_OF_TYPE = 5
"""A profile type is made of a name, and of the type and the unit of its values and of its period."""


class _UnsureError(Exception):
    """Something may be refused."""


def is_surely_taken(push: PushRequest, now_ns: int) -> bool:
    """Whether a push is certain to be taken. It may be taken, too, where this is False.

    Args:
        push: what was sent.
        now_ns: the time of arrival, ns since the epoch.
    """
    most = Allowance()
    has_profile = False
    try:
        for series in push.series:
            pairs = pairs_of(series)
            check_labels(pairs)
            for sample in series.samples:
                has_profile = True
                _check_profile(sample.raw_profile, pairs, now_ns, most)
    except (_UnsureError, ConnectError):
        return False
    return has_profile


def _check_profile(raw: bytes, pairs: Sequence[tuple[str, str]], now_ns: int, most: Allowance) -> None:
    """Return if one profile is certain to be taken.

    Args:
        raw: the profile.
        pairs: the labels of its series.
        now_ns: the time of arrival, ns since the epoch.
        most: what the push may bring; what the profile brings at most is taken from it.

    Raises:
        _UnsureError: it is not certain.
        ConnectError: likewise.
    """
    profile, samples = pprof.read(raw, pairs, now_ns, most)
    labels = merged_labels(pairs)
    types = len(profile.sample_type)
    most.take(Quantity.FRAMES, len(samples) * DEPTH_LIMIT)
    most.take(Quantity.VALUES, len(samples) * types)
    most.take(Quantity.NAMES, _most_bytes_of_names(profile))
    _check_values(profile, types)
    splitting = _splitting_labels(profile, samples)
    if len(splitting) + len(labels) > COUNT_LIMIT:
        raise _UnsureError
    series = types * min(len(samples), prod(map(len, splitting.values())))
    most.take(Quantity.SERIES, series)
    most.take(Quantity.LABELS, series * _most_characters_of_labels(profile, labels, splitting))


def _most_bytes_of_names(profile: Profile) -> int:
    """Return how many bytes the names of all frames take at most, each line being a frame.

    Raises:
        _UnsureError: a location may have too many lines.
    """
    lines = [len(location.line) for location in profile.location]
    if max(lines, default=0) > LINES_LIMIT:
        raise _UnsureError
    texts = "".join(profile.string_table)
    bytes_each = 1 if texts.isascii() and texts.isprintable() else ESCAPED
    return sum(lines) * NAMES_OF_FUNCTION * bytes_each * max(map(len, profile.string_table))


def _check_values(profile: Profile, types: int) -> None:
    """Return if each sample has a value of each type.

    Raises:
        _UnsureError: one may have fewer or more.
    """
    lists = ProfileLists.FromString(profile.SerializeToString())
    for packed in {sample.value for sample in lists.sample}:
        if len(packed) - sum(byte >> 7 for byte in packed) != types:  # the last byte of a number has no highest bit
            raise _UnsureError


def _splitting_labels(profile: Profile, samples: Sequence[bytes]) -> dict[str, set[str]]:
    """Return the labels of samples that split series, by name; of serialized messages in a row, labels are one list.

    Raises:
        _UnsureError: a label refers to a text that the profile does not have.
        ConnectError: one has no name, or is too long.
    """
    texts = profile.string_table
    found: dict[str, set[str]] = defaultdict(lambda: {""})
    for raw in set(SampleLists.FromString(b"".join(samples)).label):
        label = Label.FromString(raw)
        if not (0 <= label.key < len(texts) and 0 <= label.str < len(texts)):
            raise _UnsureError
        name, value = texts[label.key], texts[label.str]
        if label.str and name not in IDS:
            check_label_sizes({name: value})
            found[name].add(value)
    return found


def _most_characters_of_labels(profile: Profile, labels: Mapping[str, str], splitting: Mapping[str, set[str]]) -> int:
    """Return how many characters the labels of one series have at most.

    Those that the server adds are made of the labels of the upload and of the texts that say what is measured.
    """
    own = sum(len(name) + len(value) for name, value in labels.items())
    of_samples = sum(len(name) + max(map(len, values)) for name, values in splitting.items())
    longest = max(map(len, profile.string_table))
    added = sum(len(name) + own + TEXTS_OF_TYPE * (1 + longest) for name in MADE_HERE)
    return own + of_samples + added
