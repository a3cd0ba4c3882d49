"""From the events of a JFR file to samples: what is counted, of which stack, and whose it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from spanprofiles.embedded.proto.jfr_labels_pb2 import LabelsSnapshot
from spanprofiles.embedded.pyroscope.allowance import Allowance, Stacks
from spanprofiles.embedded.pyroscope.jfr.chunks import Event, Occurrence
from spanprofiles.embedded.pyroscope.jfr.constants import Constants
from spanprofiles.embedded.pyroscope.limits import SAMPLES_LIMIT, SYMBOL_LENGTH_LIMIT
from spanprofiles.embedded.pyroscope.series import PROFILE_ID, TRACE_ID, ValueKind, signed

SPAN_NAME = "span_name"
SLEEPING, RUNNABLE = "STATE_SLEEPING", "STATE_RUNNABLE"
WALL_EVENT, SETTING = "wall", "event"
SECOND_NS = 10**9

Pairs = tuple[tuple[str, str], ...]
Owner = tuple[int, ...]
"""The numbers of a context, of a span and of its name, and both halves of a trace's."""
NOBODY: Owner = (0, 0, 0, 0, 0)


@dataclass(frozen=True, eq=False)
class JfrKind:
    """What one kind of event makes a profile of.

    Attributes:
        metric: the profile's ``__name__``.
        types: what each value is.
        period: what its period is.
        is_timed: whether a sample is as much time as lies between two of them.
    """

    metric: str
    types: Sequence[ValueKind]
    period: ValueKind
    is_timed: bool = False


def _memory(name: str, period: ValueKind = ("space", "bytes")) -> JfrKind:
    return JfrKind("memory", ((f"{name}_objects", "count"), (f"{name}_bytes", "bytes")), period)


_LOCKED: Sequence[ValueKind] = (("contentions", "count"), ("delay", "nanoseconds"))
CPU = JfrKind("process_cpu", (("cpu", "nanoseconds"),), ("cpu", "nanoseconds"), is_timed=True)
WALL = JfrKind("wall", (("wall", "nanoseconds"),), ("wall", "nanoseconds"), is_timed=True)
KINDS: Mapping[Event, JfrKind] = {
    Event.IN_NEW_TLAB: _memory("alloc_in_new_tlab"),
    Event.OUTSIDE_TLAB: _memory("alloc_outside_tlab"),
    Event.ALLOCATION_SAMPLE: _memory("alloc_sample"),
    Event.MALLOC: _memory("malloc", ("", "")),
    Event.MONITOR_ENTER: JfrKind("mutex", _LOCKED, ("mutex", "count")),
    Event.THREAD_PARK: JfrKind("block", _LOCKED, ("block", "count")),
    Event.LIVE_OBJECT: JfrKind("memory", (("live", "count"),), ("objects", "count")),
}


@dataclass
class JfrSample:
    """The sum of all events with one stack, of one owner.

    Attributes:
        stack: the place of its stack in the table.
        labels: its labels.
        values: its values.
    """

    stack: int
    labels: Pairs
    values: list[int]


@dataclass
class JfrProfile:
    """The samples of one kind.

    Attributes:
        kind: which.
        samples: by the number of the stack, and the owner; one more than a profile may have at most.
        functions: the names of methods, by their numbers.
        frames: the places of frames, by method and line.
        constants: those of the latest chunk.
        stacks: the places of the stacks of that chunk, by their numbers.
    """

    kind: JfrKind
    samples: dict[tuple[int, Owner], JfrSample] = field(default_factory=dict)
    functions: dict[int, str] = field(default_factory=dict)
    frames: dict[tuple[int, int], int] = field(default_factory=dict)
    constants: Constants | None = None
    stacks: dict[int, int] = field(default_factory=dict)


class JfrSamples:
    """Adds up the events of a file.

    Numbers of methods and stacks count for the whole file, so what an earlier chunk said of them stays, as there.

    Args:
        snapshot: the labels of contexts and the names of spans.
        rate: samples a second.
        allowance: what the upload may still bring.

    Attributes:
        profiles: one for each kind.
        event: what the profiler was set to record; empty where the file does not say.
    """

    def __init__(self, snapshot: LabelsSnapshot, rate: int, allowance: Allowance) -> None:
        self._texts = snapshot.strings
        self._contexts = snapshot.contexts
        self._period_ns = SECOND_NS // rate if rate else 0
        self._made = Stacks(allowance)
        self._labels: dict[Owner, Pairs] = {}
        self._count = 1
        self.profiles: dict[JfrKind, JfrProfile] = {}
        self.event = ""
        self.table = self._made.table

    def add_all(self, occurrences: Iterable[Occurrence]) -> None:
        """Add events.

        Raises:
            JfrError: the file is damaged.
            ConnectError: there is too much of something.
        """
        for occurrence in occurrences:
            self._add(occurrence)

    def _add(self, occurrence: Occurrence) -> None:
        event, values = occurrence.event, occurrence.values
        if event is Event.SETTING:
            if values[0] == SETTING:
                self.event = values[1]
            return
        owner: Owner = tuple(values[2:7]) if len(values) > len(NOBODY) else NOBODY
        if event is Event.EXECUTION:
            state = occurrence.constants.thread_state(values[1])
            if state is not None and state != SLEEPING:
                self._sum(CPU, occurrence, owner, (self._count,))
            if self.event == WALL_EVENT:
                self._sum(WALL, occurrence, owner, (self._count,))
        elif event is Event.WALL_CLOCK:
            # The real server goes on with the count of the last such event: so do all events that come after it.
            self._count = values[7]
            if self.event == WALL_EVENT and occurrence.constants.thread_state(values[1]) == RUNNABLE:
                self._sum(CPU, occurrence, owner, (self._count,))
            self._sum(WALL, occurrence, owner, (self._count,))
        elif event is Event.LIVE_OBJECT:
            self._sum(KINDS[event], occurrence, NOBODY, (self._count,))
        else:
            self._sum(KINDS[event], occurrence, owner, (self._count, values[1]))

    def _sum(self, kind: JfrKind, occurrence: Occurrence, owner: Owner, values: Sequence[int]) -> None:
        profile = self.profiles.get(kind)
        if profile is None:
            profile = self.profiles[kind] = JfrProfile(kind)
        number = occurrence.values[0]
        frames = occurrence.constants.stacks.get(number)
        if frames is None:
            return
        factor = self._period_ns if kind.is_timed else 1
        sample = profile.samples.get((number, owner))
        if sample is None:
            if len(profile.samples) > SAMPLES_LIMIT:
                return
            stack = self._stack(profile, number, frames, occurrence.constants)
            sample = JfrSample(stack, self._labels_of(owner), [0] * len(values))
            profile.samples[number, owner] = sample
        for place, value in enumerate(values):
            sample.values[place] += value * factor

    def _stack(self, profile: JfrProfile, number: int, frames: Sequence[int], constants: Constants) -> int:
        if profile.constants is not constants:
            profile.constants, profile.stacks = constants, {}
        known = profile.stacks.get(number)
        if known is None:
            found = [
                place
                for method, line in zip(frames[::2], frames[1::2], strict=True)
                if (place := self._frame(profile, method, line, constants)) is not None
            ]
            found.reverse()
            known = profile.stacks[number] = self._made.add(found)
        return known

    def _frame(self, profile: JfrProfile, method: int, line: int, constants: Constants) -> int | None:
        known = profile.frames.get((method, line))
        if known is not None:
            return known
        name = profile.functions.get(method)
        if name is None:
            name = constants.function(method)
            if name is None:
                return None
            name = profile.functions[method] = name[-SYMBOL_LENGTH_LIMIT:]
        place = profile.frames[method, line] = self._made.frame((name, "", "", line))
        return place

    def _labels_of(self, owner: Owner) -> Pairs:
        known = self._labels.get(owner)
        if known is None:
            known = self._labels[owner] = tuple(self._read_labels(*owner))
        return known

    def _read_labels(
        self, context: int, span: int, name: int, trace_high: int, trace_low: int
    ) -> Iterable[tuple[str, str]]:
        number = signed(context)
        if number in self._contexts:
            for key, value in self._contexts[number].labels.items():
                if self._text(value):
                    yield self._text(key), self._text(value)
        if span:
            yield PROFILE_ID, f"{span:016x}"
        if name and self._text(name):
            yield SPAN_NAME, self._text(name)
        if trace_high or trace_low:
            yield TRACE_ID, f"{trace_high:016x}{trace_low:016x}"

    def _text(self, number: int) -> str:
        return self._texts.get(signed(number), "")
