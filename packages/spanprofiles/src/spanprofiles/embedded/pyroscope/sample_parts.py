"""The samples of a pprof profile as bytes: most of what is in them repeats, and need not be decoded each time."""

from __future__ import annotations

from collections.abc import Sequence

from spanprofiles.embedded.proto.pprof_pb2 import Profile, ProfileTables

LOCATIONS_TAG, VALUES_TAG = 0x0A, 0x12
"""How the packed fields of a serialized sample begin, before their lengths."""
LENGTH_BITS = 7
LENGTH_MASK = 2**LENGTH_BITS - 1
CONTINUES = 0x80


def serialized_samples(profile: Profile) -> Sequence[bytes]:
    """Return the samples of a profile, each serialized with its fields in order: ``check`` and ``split`` read them."""
    samples: Sequence[bytes] = ProfileTables.FromString(profile.SerializeToString()).sample
    return samples


def parts_of(sample: bytes) -> tuple[bytes, bytes, bytes]:
    """Take apart a sample that protobuf has serialized: its locations, its values, and its labels.

    Its fields come in order, each once, and labels follow them.
    """
    # Most often both are there, and of 127 bytes at most.
    if len(sample) > 4 and sample[0] == LOCATIONS_TAG and (length := sample[1]) <= LENGTH_MASK:
        start = length + 2
        if start + 1 < len(sample) and sample[start] == VALUES_TAG and (length := sample[start + 1]) <= LENGTH_MASK:
            end = start + 2 + length
            return sample[:start], sample[start:end], sample[end:]
    start = _end_of(sample, 0, LOCATIONS_TAG)
    end = _end_of(sample, start, VALUES_TAG)
    return sample[:start], sample[start:end], sample[end:]


def _end_of(sample: bytes, start: int, tag: int) -> int:
    """Find the end of a packed field.

    Args:
        sample: the sample.
        start: where the field begins, if it is there.
        tag: the byte with which it begins.

    Returns:
        Where the field ends; ``start`` where another begins there.
    """
    if start == len(sample) or sample[start] != tag:
        return start
    length = sample[start + 1]
    end = start + 2
    shift = 0
    while length >> shift > LENGTH_MASK:
        length &= ~(CONTINUES << shift)
        shift += LENGTH_BITS
        length |= sample[end] << shift
        end += 1
    return end + length
