"""Fails a test whose requests have become slower than in the baseline, with what changed in its report."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from spanprofiles.measure.files import SUFFIX, file_stem, read_measurements
from spanprofiles.model import Measurement
from spanprofiles.model.comparison import ComparisonVerdict
from spanprofiles.model.comparison_report import ComparedMeasurement, compare_pair
from spanprofiles.model.growth import GROWTH_EXPECTED, growth_of
from spanprofiles.model.measurement_json import MeasurementError
from spanprofiles.model.printable import LONGEST_LINE, printable, printable_lines
from spanprofiles.model.request_comparison import THRESHOLD
from spanprofiles.pytest_plugin import COMPARED, MEASUREMENTS, PICTURE, option
from spanprofiles.report.comparison_picture import averages, comparison_picture
from spanprofiles.report.comparison_text import detail_lines, headline
from spanprofiles.report.difference_text import difference_lines

_BASELINE: pytest.StashKey[dict[str, Measurement]] = pytest.StashKey()


def baseline(config: pytest.Config) -> dict[str, Measurement]:
    """Return the measurements to compare with, by name. They are read once.

    Raises:
        pytest.UsageError: the folder is not there, or has a measurement that cannot be read. An empty one is none.
    """
    if _BASELINE not in config.stash:
        folder = config.invocation_params.dir / option(config, "baseline")
        try:
            is_empty = folder.is_dir() and not any(folder.glob(f"*{SUFFIX}"))
            config.stash[_BASELINE] = {} if is_empty else read_measurements(folder)
        except MeasurementError as error:
            raise pytest.UsageError(f"--span-profiles-baseline: {error}") from error
    return config.stash[_BASELINE]


def threshold(config: pytest.Config) -> float:
    """Return the smallest growth that is a regression, as a part of a request's CPU.

    Raises:
        pytest.UsageError: the option is not a growth.
    """
    text = option(config, "threshold")
    growth = growth_of(text) if text else THRESHOLD
    if growth is None:
        raise pytest.UsageError(
            f"--span-profiles-threshold (SPAN_PROFILES_THRESHOLD) is {text!r}: {GROWTH_EXPECTED} is expected"
        )
    return growth


def check_regressions(item: pytest.Item) -> None:
    """Compare what a test has measured with the baseline, and fail the test if a request has become slower.

    A measurement that the baseline does not have, and a comparison that cannot say, fail nothing. The summary of the
    run names them.
    """
    known, smallest = baseline(item.config), threshold(item.config)
    failures: list[str] = []
    for measurement in item.stash.get(MEASUREMENTS, []):
        compared = compare_pair(
            measurement.name, known.get(measurement.name), measurement, threshold=smallest, among=max(1, len(known))
        )
        details = detail_lines(compared)
        reason = compared.comparison.reason if compared.comparison else details[0]
        item.user_properties.append((COMPARED, printable(f"{headline(compared)}: {reason}", LONGEST_LINE)))
        if compared.verdict is ComparisonVerdict.REGRESSION:
            failures += _account(item, compared, details)
    if failures:
        pytest.fail("\n".join(failures), pytrace=False)


def _account(item: pytest.Item, compared: ComparedMeasurement, details: list[str]) -> list[str]:
    """Return what the report says of a regression, and write its difference flame graph."""
    before, after = averages(compared)
    lines = [headline(compared), *(f"  {line}" for line in details)]
    lines += ["  difference of an average request:", *(f"    {line}" for line in difference_lines(before, after))]
    path = _folder(item.config) / f"{file_stem(compared.name)}-difference.svg"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(comparison_picture(compared), encoding="utf-8")
    except OSError as error:
        return [*lines, f"  the difference flame graph {path} cannot be written: {error.strerror}"]
    item.user_properties.append((PICTURE, printable_lines(str(path))))
    return [*lines, f"  difference flame graph: {path}"]


def _folder(config: pytest.Config) -> Path:
    """Return the folder for pictures: the one that was asked for, or a temporary one that pytest keeps for a while."""
    named = option(config, "pictures")
    if named:
        return config.invocation_params.dir / named
    factory = getattr(config, "_tmp_path_factory", None)  # of pytest's own plugin, which a run can leave out
    return Path(factory.mktemp("span-profiles") if factory is not None else tempfile.mkdtemp(prefix="span-profiles-"))
