"""Measures a request: repeats it until its figures are known well enough, and keeps what was measured."""

from __future__ import annotations

from spanprofiles.measure.assembly import measurement_of
from spanprofiles.measure.files import RecordingFailedError, read_measurement, read_measurements, write_measurement
from spanprofiles.measure.repetition import MeasurementFailedError
from spanprofiles.measure.until import Until
from spanprofiles.model.measurement_json import MeasurementError

__all__ = [
    "MeasurementError",
    "MeasurementFailedError",
    "RecordingFailedError",
    "Until",
    "measurement_of",
    "read_measurement",
    "read_measurements",
    "write_measurement",
]
