"""What a profile type measures, and which types may stand in for CPU time where they carry the span IDs.

A span profile is the time of one span. Most agents put span IDs on samples of CPU time; some put them on samples of
wall time, or count samples instead of measuring time. In Java and .NET, samples of memory and locks carry them too.
Those say something about a span, but not about its time, so they are shown only on request.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from spanprofiles.model.amounts import duration, size
from spanprofiles.model.sampling import SAMPLE_PERIOD_NS
from spanprofiles.model.selector import CPU

_PARTS = 5
_CPU_NAMES = {"cpu", "process_cpu"}
_WALL_NAMES = {"wall", "wall_clock", "wallclock"}


class Kind(Enum):
    """What samples were taken of."""

    CPU = "CPU"
    WALL = "wall time"
    OTHER = "something else than time"


@dataclass(frozen=True)
class ProfileType:
    """A profile type, ``name:type:unit:period type:period unit``.

    Attributes:
        name: the profile, such as ``process_cpu``, ``wall`` or ``memory``.
        sample: what a value stands for, such as ``cpu``, ``samples`` or ``alloc_space``.
        unit: of the values: ``nanoseconds``, ``count``, ``bytes``.
    """

    name: str
    sample: str
    unit: str

    @classmethod
    def of(cls, text: str) -> ProfileType:
        """Read a profile type; parts that are missing are empty."""
        name, sample, unit, *_ = (*text.split(":"), *[""] * _PARTS)
        return cls(name, sample, unit)

    @property
    def kind(self) -> Kind:
        """What it is a profile of."""
        if self.name in _WALL_NAMES:
            return Kind.WALL
        if self.name in _CPU_NAMES:
            return Kind.WALL if self.sample in _WALL_NAMES else Kind.CPU
        return Kind.OTHER

    @property
    def measure(self) -> str:
        """What a value is a share of: ``CPU time``, ``wall time``, ``alloc_space``."""
        if self.kind is Kind.CPU:
            return "CPU time"
        return self.kind.value if self.kind is Kind.WALL else self.sample

    @property
    def is_time(self) -> bool:
        """Whether its values are time, or samples taken in time."""
        return self.kind is not Kind.OTHER and self.unit in {"nanoseconds", "count"}

    @property
    def is_cpu_ns(self) -> bool:
        """Whether its values are nanoseconds of CPU time."""
        return self.kind is Kind.CPU and self.unit == "nanoseconds"

    def time_ns(self, value: float) -> int:
        """Return a value as time, ns; one sample counts as the usual period of 10 ms."""
        return int(value * SAMPLE_PERIOD_NS if self.unit == "count" else value)

    def as_text(self, value: int) -> str:
        """Write a value with its unit: ``380.0 ms``, ``38 samples``, ``1.5 MiB``."""
        if self.unit == "nanoseconds":
            return duration(value)
        if self.unit == "bytes":
            return size(value)
        return f"{value} {'samples' if self.is_time else self.sample or self.unit}"

    def amount(self, value: int) -> str:
        """Write a value with its unit and what it is of: ``380.0 ms of CPU``, ``38 samples of wall time``."""
        if self.is_time:
            return f"{self.as_text(value)} of {self.kind.value}"
        return self.as_text(value) if self.unit == "count" else f"{self.as_text(value)} of {self.sample}"


def stand_ins(types: Iterable[str], asked: str) -> tuple[str, ...]:
    """Return the types of time of a service that may carry span IDs where those of the asked type do not.

    A type that comes from the same samples as one before it (a count beside the time) tells nothing more, and is left
    out.

    Args:
        types: the service's profile types.
        asked: the type that is asked for first.

    Returns:
        CPU before wall time, time before counts.
    """
    known = sorted(set(types))
    usable = [profile_type for profile_type in known if profile_type != asked and ProfileType.of(profile_type).is_time]
    usable.sort(key=_rank)
    names = {ProfileType.of(asked).name} if asked in known else set()
    found = []
    for profile_type in usable:
        name = ProfileType.of(profile_type).name
        if name not in names:
            names.add(name)
            found.append(profile_type)
    return tuple(found)


def others(types: Iterable[str], asked: str) -> tuple[str, ...]:
    """Return the types of a service that are no time: memory, locks and the like."""
    return tuple(name for name in sorted(set(types)) if name != asked and not ProfileType.of(name).is_time)


def setting(profile_type: str) -> str:
    """Say what Grafana's data source must have, so that profiles of a type are shown."""
    return f"set profileTypeId to {profile_type} in Grafana's Tempo data source (Trace to profiles)"


def note(profile_type: str) -> str:
    """Say what a link by that type needs in Grafana; empty for CPU time, which is what data sources have."""
    if profile_type == CPU:
        return ""
    return f"these are samples of {ProfileType.of(profile_type).measure}: {setting(profile_type)}"


def _rank(text: str) -> tuple[bool, bool]:
    parsed = ProfileType.of(text)
    return parsed.kind is not Kind.CPU, parsed.unit != "nanoseconds"
