"""A measurement: the same request many times, with what each time cost and one flame graph of all of them.

One profile of one request is a handful of random samples. Claims and comparisons therefore need the figures of each
request, not only their sum: how much requests differ among themselves holds both the chance of the sampling and the
work that really differs. So the unit of every statistic here is the request. A resampling draws whole requests, never
single samples.

Who builds on it:

- The statistics read :attr:`Measurement.requests`: :attr:`Measurement.cpu_values`, :meth:`Measurement.self_values` and
  :meth:`Measurement.total_values` give a value for each request, in the order of the requests, with 0 where a function
  has no sample. A request without any sample counts too, as 0.
- Comparisons read :attr:`Measurement.environment`: CPU times compare only where ``host``, ``machine``, ``runtime`` and
  ``agent`` are equal; shares may compare elsewhere. :attr:`Measurement.name` pairs a base with its head.

:mod:`spanprofiles.model.measurement_json` writes and reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from spanprofiles.model import estimate_text, estimates
from spanprofiles.model.estimates import Estimate
from spanprofiles.model.flamegraph import FlameGraph
from spanprofiles.model.profile_types import ProfileType
from spanprofiles.model.span import Span


@dataclass(frozen=True)
class FunctionCpu:
    """What a function cost in one request.

    Attributes:
        self_ns: CPU of its own code, over all call paths, ns.
        total_ns: CPU of the call paths that it is on, ns; a recursive function counts once for each path.
    """

    self_ns: int
    total_ns: int


@dataclass(frozen=True)
class MeasuredRequest:
    """One request of a measurement.

    CPU is the time that the measurement's profile type measures: wall time, where only that is linked to spans.

    Attributes:
        trace_id: 32 hex digits.
        span_ids: the linked spans whose samples count, 16 hex digits each; usually the one span that answered.
        start_ns: when that span started, ns since the epoch.
        duration_ns: its wall-clock time, ns.
        cpu_ns: CPU in the request, ns; 0 where no sample was taken.
        samples: how many samples that is; 0 too where they cannot be counted.
        functions: CPU of each function that has a sample, by name.
    """

    trace_id: str
    span_ids: tuple[str, ...]
    start_ns: int
    duration_ns: int
    cpu_ns: int
    samples: int
    functions: Mapping[str, FunctionCpu] = field(default_factory=dict)


@dataclass(frozen=True)
class MeasurementEnvironment:
    """Where, when and with what a measurement was made. A field is empty if it is not known.

    Attributes:
        app_version: the app's version as the caller told it, or else ``service.version`` of its spans.
        host: the host's name: equal names may be the same machine, different names are not.
        machine: processor, number of cores and operating system of the machine that measured, in words.
        runtime: what the app runs on, such as ``CPython 3.12.3``.
        agent: the profiling agent, such as ``pyroscope-io 1.4.0``.
        backend: what stored traces and profiles: ``embedded``, ``native``, ``external`` and so on.
        seed: the seed of the requests' order, if there was one.
        time_ns: when the measurement began, ns since the epoch.
        upload_interval_s: the agent's upload interval, s; 0 if it is not known.
        processor_wait: the part of the CPU, 0 to 1, in which threads did not run, but waited for a processor that other
            programs had; an agent that samples by the clock counts it. None if it is not known.
        spanprofiles: the version of this package.
    """

    app_version: str = ""
    host: str = ""
    machine: str = ""
    runtime: str = ""
    agent: str = ""
    backend: str = ""
    seed: int | None = None
    time_ns: int = 0
    upload_interval_s: float = 0.0
    processor_wait: float | None = None
    spanprofiles: str = ""


@dataclass(frozen=True)
class Precision:
    """Whether a measurement is as precise as was asked, and what is missing.

    Attributes:
        asked: what was asked, in words: ``the request's CPU to within 10 %``.
        target: the half width of the 95 % interval that was asked for; a part of the value, or a difference of shares.
        half_width: the half width that was reached; None where there are too few requests to tell.
        is_reached: whether it is as narrow as the target.
        requests_needed: how many requests the target takes, estimated; None where it is unknown.
        unit: of the half width in words: ``%`` of the value, or ``points`` of a share.
    """

    asked: str
    target: float
    half_width: float | None
    is_reached: bool
    requests_needed: int | None = None
    unit: str = "%"

    def sentence(self, requests: int) -> str:
        """Say in a sentence what was reached with so many requests."""
        sent = f"{requests:,} request{'s' * (requests != 1)}"
        needed = "" if self.requests_needed is None else f"{self.requests_needed:,}"
        if self.half_width is None:
            if self.is_reached:
                return f"{sent}, as asked"
            return f"{sent} of {needed}" if needed else f"{sent} cannot tell {self.asked}"
        known = f"{sent}: known to {self._in_words(self.half_width)}"
        if self.is_reached:
            return f"{known}, as asked ({self.asked})"
        return f"{known}, not as asked ({self.asked}); about {needed} requests would do"

    def _in_words(self, half_width: float) -> str:
        return f"{half_width * 100:.2g} {self.unit}" if half_width < 1 else f"{half_width * 100:.0f} {self.unit}"


@dataclass(frozen=True, repr=False)
class Measurement:
    """The same request many times.

    Attributes:
        name: what was measured: the test's node ID, or a name that the caller gave.
        service: ``service.name`` of the process that answered.
        requests: the requests in the order in which they were sent.
        flamegraph: the samples of all requests together.
        environment: where, when and with what it was measured.
        precision: what precision was asked for and reached; None where none was asked for.
        spans: the linked spans, in the order of the requests. A file does not hold them, so they are empty in a
            measurement that was read from one.
    """

    name: str
    service: str
    requests: tuple[MeasuredRequest, ...]
    flamegraph: FlameGraph
    environment: MeasurementEnvironment = MeasurementEnvironment()
    precision: Precision | None = None
    spans: tuple[Span, ...] = field(default=(), compare=False, repr=False)

    def __repr__(self) -> str:
        """Name the figures that matter, for the message of a failed assertion."""
        kind = ProfileType.of(self.flamegraph.profile_type).kind.value
        requests = f"{len(self.requests):,} request{'s' * (len(self.requests) != 1)}"
        return f"<Measurement of {requests}, {estimate_text.time(*self.cpu)} of {kind} each>"

    @property
    def is_precise(self) -> bool:
        """Whether the asked precision is reached; true where none was asked for."""
        return self.precision is None or self.precision.is_reached

    @property
    def samples(self) -> int:
        """How many samples all requests have together."""
        return sum(request.samples for request in self.requests)

    @cached_property
    def functions(self) -> frozenset[str]:
        """The names of all functions that have a sample in any request."""
        return frozenset(name for request in self.requests for name in request.functions)

    @property
    def cpu_values(self) -> list[int]:
        """CPU of each request, ns."""
        return [request.cpu_ns for request in self.requests]

    @property
    def duration_values(self) -> list[int]:
        """Wall-clock time of each request, ns."""
        return [request.duration_ns for request in self.requests]

    @property
    def cpu(self) -> Estimate:
        """The mean CPU of a request, ns, with its interval."""
        return estimates.mean(self.cpu_values, self._sample_ns)

    @property
    def duration(self) -> Estimate:
        """The mean wall-clock time of a request, ns, with its interval."""
        return estimates.mean(self.duration_values)

    def total(self, function: str) -> Estimate:
        """Return the mean CPU of a function and what it called in a request, ns, with its interval."""
        return estimates.mean(self.total_values(function), self._sample_ns)

    def own(self, function: str) -> Estimate:
        """Return the mean CPU of a function's own code in a request, ns, with its interval."""
        return estimates.mean(self.self_values(function), self._sample_ns)

    def share(self, function: str) -> Estimate:
        """Return the share that a function and what it called have of all CPU, 0 to 1, with its interval."""
        return estimates.share(self.total_values(function), self.cpu_values, self._sample_ns)

    @property
    def _sample_ns(self) -> float:
        """The value of one sample, ns; 0 where it is unknown."""
        value = self.flamegraph.sample_value
        return float(ProfileType.of(self.flamegraph.profile_type).time_ns(value)) if value else 0.0

    def self_values(self, function: str) -> list[int]:
        """Return the CPU of a function's own code in each request, ns; 0 where it has no sample."""
        return [cost.self_ns if cost else 0 for cost in self._costs(function)]

    def total_values(self, function: str) -> list[int]:
        """Return the CPU of a function and what it called in each request, ns; 0 where it has no sample."""
        return [cost.total_ns if cost else 0 for cost in self._costs(function)]

    def _costs(self, function: str) -> list[FunctionCpu | None]:
        return [request.functions.get(function) for request in self.requests]
