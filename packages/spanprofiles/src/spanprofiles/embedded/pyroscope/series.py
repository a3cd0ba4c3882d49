"""From the samples of one profile to its series: one for each type of value and each set of labels that splits them.

Every way in (pprof, JFR, OTLP) hands its samples to ``Series``, so that all of them are split, named and bounded alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from spanprofiles.embedded.pyroscope.allowance import Allowance
from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.labels import NAME, SERVICE, check_label_sizes, check_labels
from spanprofiles.embedded.pyroscope.limits import Quantity
from spanprofiles.embedded.refusals import Reason
from spanprofiles.embedded.store.profiles import NOBODY, NewProfile, Owner
from spanprofiles.embedded.store.stacks import StackTable

HEXADECIMAL = re.compile(rb"[0-9a-fA-F]+")
SPAN_ID, PROFILE_ID, TRACE_ID = "span_id", "profile_id", "trace_id"
DIGITS = {SPAN_ID: 16, TRACE_ID: 32}
# What the senders of profiles tell each other, and the real server does not keep.
LEFT_OUT = frozenset({"__delta__", "__session_id__"})
MADE_HERE = frozenset(
    {"__period_type__", "__period_unit__", "__profile_type__", "__service_name__", "__type__", "__unit__"}
)

Pairs = tuple[tuple[str, str], ...]
ValueKind = tuple[str, str]
"""What is measured, and in which unit."""
Group = tuple[Pairs, Owner]
"""What the labels of a sample say: the labels that split series, and (span ID, trace ID)."""
Sums = Sequence[dict[int, int]]
"""The sums of values by stack, to all of which the values of some samples are added."""


def malformed(message: str) -> ConnectError:
    """Make the error for a profile that can be read and makes no sense."""
    return ConnectError(message, reason=Reason.MALFORMED_PROFILE)


def signed(number: int) -> int:
    """Return what 64 bits hold of a number."""
    return (number + 2**63) % 2**64 - 2**63


def check_type_names(names: Iterable[str]) -> None:
    """See that no type of value has a dash in its name.

    Raises:
        ConnectError: one has.
    """
    if any("-" in name for name in names):
        raise malformed("sample type contains -")


def group_of(pairs: Iterable[tuple[str, str]]) -> Group:
    """Tell the labels of a sample that split series from those that say whose it is; of equal names the last counts."""
    found = {SPAN_ID if name == PROFILE_ID else name: value for name, value in pairs}
    span_id = _binary_id(SPAN_ID, found.pop(SPAN_ID, ""))
    trace_id = _binary_id(TRACE_ID, found.pop(TRACE_ID, ""))
    return tuple(sorted(found.items())), (span_id, trace_id)


def _binary_id(name: str, value: str) -> bytes | None:
    """Decode a span or trace ID; None for any other text, which the real server takes for no ID."""
    if len(value) != DIGITS[name] or not HEXADECIMAL.fullmatch(value.encode()):
        return None
    return bytes.fromhex(value)


@dataclass(frozen=True)
class Head:
    """What the samples of one profile have in common.

    Attributes:
        labels: the labels of the upload.
        types: what each value of a sample is.
        period: what the profile's period is; two empty texts where it has none.
        time_ms: when the profile was taken, ms since the epoch.
    """

    labels: Mapping[str, str]
    types: Sequence[ValueKind]
    period: ValueKind
    time_ms: int


class Series:
    """The series that the samples of one profile make.

    Args:
        head: what they have in common.
        table: where their stacks are.
        allowance: what the upload that they came in may still bring.
    """

    def __init__(self, head: Head, table: StackTable, allowance: Allowance) -> None:
        self._head = head
        self._table = table
        self._allowance = allowance
        self._series: dict[tuple[int, Pairs], NewProfile] = {}

    def add(self, group: Group, stack: int, values: Sequence[int]) -> None:
        """Add a sample.

        Args:
            group: what its labels say.
            stack: the place of its stack in the table.
            values: one of each type; zeros are left out, and a sample with a value below zero wholly.

        Raises:
            ConnectError: it has too few or too many values, or there is too much of something.
        """
        counted = self.counted(values)
        self._allowance.take(Quantity.VALUES, len(counted))
        for number, value in counted:
            for sums in self.sums(group, number):
                sums[stack] = sums.get(stack, 0) + value

    def counted(self, values: Sequence[int]) -> Sequence[tuple[int, int]]:
        """Return the values of a sample that count, with their types' numbers: none where one is below zero.

        Raises:
            ConnectError: they are too few or too many.
        """
        if len(values) != len(self._head.types):
            raise malformed("sample value length mismatch")
        counted = [pair for pair in enumerate(values) if pair[1]]
        return [] if any(value < 0 for _, value in counted) else counted

    def sums(self, group: Group, number: int) -> Sums:
        """Return where the values of stacks are added up: for the whole series, and for those whose samples they are.

        Args:
            group: what the labels of the samples say.
            number: of the values' type.

        Raises:
            ConnectError: there are too many series.
        """
        more, owner = group
        target = self._series.get((number, more))
        if target is None:
            target = self._series[number, more] = self._made(number, more)
        return (target.values,) if owner == NOBODY else (target.values, target.parts.setdefault(owner, {}))

    def profiles(self, pairs: Sequence[tuple[str, str]]) -> list[NewProfile]:
        """Return the profile of each series.

        Args:
            pairs: the labels of the upload, as they came.

        Raises:
            ConnectError: there are profiles, and the labels are not taken.
        """
        if self._series:
            check_labels(pairs)
        return list(self._series.values())

    def _made(self, number: int, more: Pairs) -> NewProfile:
        labels, profile_type = _named(self._head, more, self._head.types[number])
        self._count(labels)
        return NewProfile(labels, profile_type, self._head.time_ms, self._table)

    def _count(self, labels: Mapping[str, str]) -> None:
        """Take a series from what the upload may bring.

        Raises:
            ConnectError: sample labels make labels of it that are too many or too long, or there are too many series.
        """
        self._allowance.take(Quantity.SERIES, 1)
        check_label_sizes({name: value for name, value in labels.items() if name not in MADE_HERE})
        self._allowance.take(Quantity.LABELS, sum(len(name) + len(value) for name, value in labels.items()))


def _named(head: Head, more: Pairs, kind: ValueKind) -> tuple[dict[str, str], str]:
    """Make the labels of a series, with those that the server adds, and its profile type."""
    profile_type = ":".join((head.labels.get(NAME, ""), *kind, *head.period))
    own = {
        "__period_type__": head.period[0],
        "__period_unit__": head.period[1],
        "__profile_type__": profile_type,
        "__service_name__": head.labels.get(SERVICE, ""),
        "__type__": kind[0],
        "__unit__": kind[1],
    }
    merged = {**dict(more), **head.labels, **own}
    # a profile of samples may have no period, and a label without a value is none
    return {name: value for name, value in merged.items() if value and name not in LEFT_OUT}, profile_type
