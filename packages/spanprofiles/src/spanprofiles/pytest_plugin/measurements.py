"""The measurements of a test: their names, their recordings, and what the report says of them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from spanprofiles.backends import BackendError
from spanprofiles.linking import Evidence, LinkedSpan, Linker, Traced
from spanprofiles.measure.assembly import measurement_of
from spanprofiles.measure.environment import environment_of
from spanprofiles.measure.files import write_measurement
from spanprofiles.measure.processor_time import ProcessorTime, with_processor_wait
from spanprofiles.measure.repetition import Bounds, repeat
from spanprofiles.model import estimate_text
from spanprofiles.model.printable import LONGEST_LINE, printable
from spanprofiles.model.profile_types import ProfileType
from spanprofiles.pytest_plugin import MEASURED, MEASUREMENTS, option
from spanprofiles.pytest_plugin.options import backend_settings
from spanprofiles.pytest_plugin.programs import programs_of

if TYPE_CHECKING:
    from spanprofiles.measure.until import Until
    from spanprofiles.model import Measurement


class MeasurementRun:
    """One measurement of a test, from the first request to the recording.

    Attributes:
        name: what it is called: the test's node ID, and behind it the name that the test gave, or a number where the
            test measures more than once.
        evidence: what was seen of the longest request of the last round, for the report.
    """

    def __init__(
        self, item: pytest.Item, linker: Linker, name: str = "", app_version: str = "", seed: int | None = None
    ) -> None:
        self._item = item
        self._linker = linker
        self._app_version = app_version
        self._seed = seed
        self.name = self._unused_name(name)
        self.evidence: Evidence | None = None

    def measure(
        self,
        send: Callable[[], Traced],
        collect: Callable[[list[Traced]], list[LinkedSpan]],
        until: Until,
        bounds: Bounds,
        progress: Callable[[str], object] | None,
    ) -> Measurement:
        """Measure, record, and remember it for the report; the arguments are those of :func:`.repeat`.

        Raises:
            MeasurementFailedError, LinkError, ClientError: as :func:`.repeat`.
            RecordingFailedError: the recording cannot be written.
        """
        __tracebackhide__ = True
        before = self._processor_time()
        measurement = repeat(send, collect, self._assemble, until, bounds, progress or self._print)
        measurement = with_processor_wait(measurement, before, self._processor_time())
        self._item.stash.setdefault(MEASUREMENTS, []).append(measurement)
        if self.evidence is not None:
            self.evidence.merged = (len(measurement.requests), measurement.flamegraph)
        self._item.user_properties.append((MEASURED, summary(measurement)))
        folder = option(self._item.config, "record")
        if folder:
            write_measurement(folder, measurement)
        return measurement

    def _processor_time(self) -> ProcessorTime:
        return ProcessorTime.of(
            program.process.pid for program in programs_of(self._item) if program.process.is_running
        )

    def _assemble(self, linked: list[LinkedSpan]) -> Measurement:
        environment = environment_of(
            linked[0].span.resource,
            app_version=self._app_version,
            backend=_backend(self._item.config),
            seed=self._seed,
            upload_interval_s=self._linker.upload_interval_s,
            time_ns=linked[0].span.start_ns,
        )
        return measurement_of(self.name, linked, environment)

    def _print(self, line: str) -> None:
        sys.stderr.write(printable(f"span profiles: {self.name}: {line}", LONGEST_LINE) + "\n")
        sys.stderr.flush()

    def _unused_name(self, name: str) -> str:
        full = f"{self._item.nodeid} {name}".rstrip()
        taken = {measurement.name for measurement in self._item.stash.get(MEASUREMENTS, [])}
        names = (full if number == 1 else f"{full} ({number})" for number in range(1, len(taken) + 2))
        return next(each for each in names if each not in taken)


def summary(measurement: Measurement) -> str:
    """Return a line that says what was measured, and how well it is known."""
    kind = ProfileType.of(measurement.flamegraph.profile_type).kind.value
    cost = estimate_text.time(*measurement.cpu)
    precision = measurement.precision
    reached = f"; {precision.sentence(len(measurement.requests))}" if precision is not None else ""
    return printable(f"{measurement.name}: {cost} of {kind} a request{reached}", LONGEST_LINE)


def _backend(config: pytest.Config) -> str:
    try:
        return backend_settings(config).chosen
    except BackendError:  # a suite with endpoints of its own needs no settings
        return ""
