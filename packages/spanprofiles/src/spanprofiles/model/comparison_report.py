"""The comparison of two recordings, measurement by measurement: those with a verdict, and those that have no pair.

CPU times are compared only if both sides were measured on the same machine with the same agent. Otherwise a slower
processor would look like slower code. Between machines, what each function's share of the CPU is tells more, and that
is compared instead. Where not even shares mean the same on both sides, the comparison is refused.

A machine that was busier makes requests look slower, too: an agent that samples by the clock counts the time that a
thread waits for a processor. Where both sides know that time, and had more of it on one side, it is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from spanprofiles.model.comparison import Basis, Comparison, ComparisonVerdict
from spanprofiles.model.measurement import FunctionCpu, Measurement, MeasurementEnvironment
from spanprofiles.model.profile_types import ProfileType
from spanprofiles.model.request_comparison import ERROR, THRESHOLD, compare_measurements

# A smaller difference of the times that threads ran, as a part of them, changes no verdict.
_UNALIKE = 0.01

# Measurements that overlap by so much of the longer one were made side by side.
_SIDE_BY_SIDE = 0.5


@dataclass(frozen=True)
class ComparedMeasurement:
    """A measurement of the base and the one of the same name of the head.

    Attributes:
        name: what was measured.
        base: the measurement of the base as it was compared; None where it has none.
        head: the measurement of the head as it was compared; None where it has none.
        comparison: the comparison; None where there is none, because a side is missing or they cannot be compared.
        note: why CPU times are not compared as they were measured, or nothing is; empty where they are.
    """

    name: str
    base: Measurement | None
    head: Measurement | None
    comparison: Comparison | None = None
    note: str = ""

    @property
    def verdict(self) -> ComparisonVerdict | None:
        """What the comparison says; None where a side is missing. What cannot be compared is ``cannot say``."""
        if self.base is None or self.head is None:
            return None
        return self.comparison.verdict if self.comparison else ComparisonVerdict.CANNOT_SAY


@dataclass(frozen=True)
class ComparisonReport:
    """All measurements of two recordings.

    Attributes:
        measurements: each name of either side, in alphabetical order.
        threshold: growth from which on it is a regression, as a part of the base.
    """

    measurements: tuple[ComparedMeasurement, ...]
    threshold: float

    @property
    def verdict(self) -> ComparisonVerdict:
        """The worst verdict of all; ``cannot say`` if no measurement has a pair."""
        verdicts = {each.verdict for each in self.measurements}
        for verdict in (ComparisonVerdict.REGRESSION, ComparisonVerdict.CANNOT_SAY, ComparisonVerdict.NO_REGRESSION):
            if verdict in verdicts:
                return verdict
        return ComparisonVerdict.CANNOT_SAY

    @property
    def compared(self) -> list[ComparedMeasurement]:
        """Those with a comparison."""
        return [each for each in self.measurements if each.comparison is not None]

    @property
    def only_in_base(self) -> list[str]:
        """The names that only the base has."""
        return [each.name for each in self.measurements if each.head is None]

    @property
    def only_in_head(self) -> list[str]:
        """The names that only the head has."""
        return [each.name for each in self.measurements if each.base is None]


def compare_recordings(
    base: Mapping[str, Measurement], head: Mapping[str, Measurement], *, threshold: float = THRESHOLD
) -> ComparisonReport:
    """Compare all measurements of two recordings, each with the one of its name.

    The probability of a false alarm is that of the whole report: one of ten comparisons claims a change only if it is
    ten times less likely to be chance.

    Args:
        base: measurements by name.
        head: measurements by name.
        threshold: growth from which on it is a regression, as a part of the base.
    """
    pairs = len(base.keys() & head.keys())
    compared = [
        compare_pair(name, base.get(name), head.get(name), threshold=threshold, among=max(1, pairs))
        for name in sorted(base.keys() | head.keys())
    ]
    return ComparisonReport(tuple(compared), threshold)


def compare_pair(
    name: str,
    base: Measurement | None,
    head: Measurement | None,
    *,
    threshold: float = THRESHOLD,
    among: int = 1,
) -> ComparedMeasurement:
    """Compare a measurement with the one of its name.

    Args:
        name: what was measured.
        base: the measurement of the base, if there is one.
        head: the measurement of the head, if there is one.
        threshold: growth from which on it is a regression, as a part of the base.
        among: how many comparisons the report has.
    """
    if base is None or head is None:
        return ComparedMeasurement(name, base, head)
    obstacle = _obstacle(base, head)
    if obstacle:
        return ComparedMeasurement(name, base, head, note=obstacle)
    difference = machine_difference(base.environment, head.environment)
    basis = Basis.SHARE if difference else Basis.CPU
    note = f"compared by shares of the CPU, not by CPU time: {difference}" if difference else ""
    comparison = _compared(base, head, threshold, basis, among)
    if basis is Basis.CPU and _waited_unalike(base.environment, head.environment):
        waits = [f"{side.environment.processor_wait or 0:.0%}" for side in (base, head)]
        note = (
            f"CPU is without the time that threads waited for a processor: {waits[0]} of it in the base, {waits[1]} in"
        )
        note += " the head"
        base, head = _without_waiting(base), _without_waiting(head)
        as_measured, comparison = comparison, _compared(base, head, threshold, basis, among)
        comparison = _agreed(as_measured, comparison)
    if basis is Basis.CPU and not _side_by_side(base, head):
        comparison = _beyond_waiting(comparison, base.environment, head.environment)
    return ComparedMeasurement(name, base, head, comparison, note)


def _compared(base: Measurement, head: Measurement, threshold: float, basis: Basis, among: int) -> Comparison:
    comparison = compare_measurements(base, head, threshold=threshold, basis=basis)
    if among > 1 and comparison.changed:  # what is no change as one report is none among many: the rest takes its time
        comparison = compare_measurements(base, head, threshold=threshold, basis=basis, error=ERROR / among)
    return comparison


def _agreed(as_measured: Comparison, without_waiting: Comparison) -> Comparison:
    """Return the comparison without waiting; it is no regression that the other does not see as well.

    How long threads waited is known for all requests together only. So a regression that shows in one of the two alone
    may come from other programs on the machine.
    """
    regression = ComparisonVerdict.REGRESSION
    if without_waiting.verdict is not regression or as_measured.verdict is regression:
        return without_waiting
    reason = f"{without_waiting.reason}, but with that time it is none: measure on a quieter machine, or side by side"
    return replace(without_waiting, verdict=ComparisonVerdict.CANNOT_SAY, reason=reason, more_requests=None)


def _beyond_waiting(comparison: Comparison, base: MeasurementEnvironment, head: MeasurementEnvironment) -> Comparison:
    """Return the comparison; it is no regression if a machine that was busy all the time may be the reason.

    The longer threads waited, the less is known of what they would have cost without: measured one after the other, the
    same request differed by a third where they waited for 85 % of the time, and by hardly anything where they did not
    wait. Growth by less than the square of that part is not told from chance.
    """
    waited = max(base.processor_wait or 0.0, head.processor_wait or 0.0)
    grown = comparison.request.relative
    if comparison.verdict is not ComparisonVerdict.REGRESSION or grown is None or grown >= waited**2:
        return comparison
    reason = (
        f"{comparison.reason}; but threads waited for a processor for {waited:.0%} of the time, so growth by less than"
        f" {waited**2:.0%} may come from other programs: measure on a quieter machine, or side by side"
    )
    return replace(comparison, verdict=ComparisonVerdict.CANNOT_SAY, reason=reason, more_requests=None)


def _side_by_side(base: Measurement, head: Measurement) -> bool:
    """Tell whether both were measured at the same time, so that other programs slowed both down alike."""
    if not (base.requests and head.requests):
        return False
    starts, ends = ([pick(each.start_ns for each in side.requests) for side in (base, head)] for pick in (min, max))
    overlap_ns = min(ends) - max(starts)
    return overlap_ns > _SIDE_BY_SIDE * max(end - start for start, end in zip(starts, ends, strict=True))


def machine_difference(base: MeasurementEnvironment, head: MeasurementEnvironment) -> str:
    """Say why CPU times of the two cannot be compared; empty where they can.

    A new version of the app's runtime is no such reason: it is a change like any other, whose cost is asked for.
    """
    for what, before, after in (
        ("the machine", base.machine, head.machine),
        ("the host", base.host, head.host),
        ("the agent", base.agent, head.agent),
    ):
        if before != after:
            return f"{what} is another one ({before or 'unknown'}, then {after or 'unknown'})"
    if not (base.machine or base.host):
        return "the machines are unknown"
    return ""


def _waited_unalike(base: MeasurementEnvironment, head: MeasurementEnvironment) -> bool:
    if base.processor_wait is None or head.processor_wait is None:
        return False
    ran = 1 - base.processor_wait, 1 - head.processor_wait
    return max(ran) / min(ran) - 1 >= _UNALIKE


def _without_waiting(measurement: Measurement) -> Measurement:
    """Return a measurement with the CPU that its threads really had."""
    part = 1 - (measurement.environment.processor_wait or 0.0)
    requests = tuple(
        replace(
            request,
            cpu_ns=round(request.cpu_ns * part),
            functions={
                name: FunctionCpu(round(cost.self_ns * part), round(cost.total_ns * part))
                for name, cost in request.functions.items()
            },
        )
        for request in measurement.requests
    )
    return replace(measurement, requests=requests, flamegraph=measurement.flamegraph.divided(1 / part))


def _obstacle(base: Measurement, head: Measurement) -> str:
    """Say why not even shares can be compared; empty where they can."""
    types = [side.flamegraph.profile_type for side in (base, head) if not side.flamegraph.is_empty]
    if len(set(types)) > 1:
        before, after = (ProfileType.of(text).measure for text in types)
        told = (before, after) if before != after else types
        return f"refused: the base has samples of {told[0]}, the head of {told[1]}"
    languages = [side.environment.runtime.partition(" ")[0] for side in (base, head)]
    if all(languages) and languages[0] != languages[1]:
        return f"refused: the base runs on {languages[0]}, the head on {languages[1]}, whose functions have other names"
    return ""
