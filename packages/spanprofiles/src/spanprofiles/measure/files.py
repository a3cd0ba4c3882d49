"""Keeps measurements in a folder: a JSON file for programs, and beside it the flame graph for every pprof viewer.

A file is written under another name first and then renamed, so nobody meets half of one. Its name is made of the
measurement's, so a second recording replaces the first.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from spanprofiles.files import replace_file
from spanprofiles.model import Measurement
from spanprofiles.model.measurement_json import LARGEST_RECORDING_BYTES, MeasurementError, read_text, write_text
from spanprofiles.model.pprof import pprof_profile

SUFFIX = ".measurement.json"

_LONGEST_STEM = 100
_DIGEST_DIGITS = 8


class RecordingFailedError(OSError):
    """A recording cannot be written; the message says where and why."""


def file_stem(name: str) -> str:
    """Return what the files of a measurement of that name are called, without their suffixes.

    It leads to no other folder, whatever the name is, and different names have different ones.
    """
    readable = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")[-_LONGEST_STEM:].lstrip("-.")
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_DIGITS]
    return f"{readable}-{digest}" if readable else digest


def write_measurement(folder: str | Path, measurement: Measurement) -> Path:
    """Write a measurement into a folder, which is made where there is none, and return the JSON file's path.

    Raises:
        RecordingFailedError: it cannot be written.
    """
    stem = file_stem(measurement.name)
    profile = Path(folder) / f"{stem}.pprof"
    recording = Path(folder) / f"{stem}{SUFFIX}"
    first, last = _first_and_last_ns(measurement)
    labels = {"service_name": measurement.service} if measurement.service else {}
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        octets = pprof_profile(measurement.flamegraph, time_ns=first, duration_ns=last - first, labels=labels)
        replace_file(profile, octets)
        replace_file(recording, write_text(measurement, profile.name).encode())
    except OSError as error:
        place = error.filename or recording
        raise RecordingFailedError(
            f"the measurement {measurement.name} cannot be written to {place}: {error.strerror or error};"
            " name a folder that can be written"
        ) from error
    return recording


def read_measurement(path: str | Path) -> Measurement:
    """Read the JSON file of a measurement.

    Raises:
        MeasurementError: it cannot be read, or is not a measurement; the message says what to do.
    """
    try:
        with Path(path).open("rb") as file:
            octets = file.read(LARGEST_RECORDING_BYTES + 1)
    except OSError as error:
        raise MeasurementError(f"{path} cannot be read: {error.strerror or error}") from None
    return read_text(octets, str(path))


def read_measurements(folder: str | Path) -> dict[str, Measurement]:
    """Read all measurements of a folder, by name.

    Raises:
        MeasurementError: there is no such folder, no measurement in it, or one that cannot be read, or two of them have
            the same name.
    """
    place = Path(folder)
    if not place.is_dir():
        raise MeasurementError(
            f"{folder} is not a folder: name the one that pytest --span-profiles-record={folder} has written"
        )
    found: dict[str, Measurement] = {}
    files: dict[str, Path] = {}
    for path in sorted(place.glob(f"*{SUFFIX}")):
        measurement = read_measurement(path)
        if measurement.name in found:
            first = files[measurement.name]
            raise MeasurementError(f"{first} and {path} both measure {measurement.name}: remove the older one")
        found[measurement.name], files[measurement.name] = measurement, path
    if not found:
        raise MeasurementError(
            f"{folder} holds no measurement (no file *{SUFFIX}): write some with pytest --span-profiles-record={folder}"
        )
    return found


def _first_and_last_ns(measurement: Measurement) -> tuple[int, int]:
    requests = measurement.requests
    if not requests:
        return measurement.environment.time_ns, measurement.environment.time_ns
    return min(each.start_ns for each in requests), max(each.start_ns + each.duration_ns for each in requests)
