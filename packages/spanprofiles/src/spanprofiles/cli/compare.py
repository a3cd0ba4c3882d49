"""``spanprofiles compare``: two recordings, test by test."""

from __future__ import annotations

from pathlib import Path

import click

from spanprofiles.cli.comparison import comparison_options, print_report
from spanprofiles.cli.exits import COULD_NOT_LOOK, leave
from spanprofiles.cli.output import say
from spanprofiles.model import Measurement


@click.command()
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("head", type=click.Path(path_type=Path))
@comparison_options
def command(base: Path, head: Path, threshold: float, markdown: Path | None, svg: Path | None, as_json: bool) -> None:
    """Compare what the requests of HEAD cost with what they cost in BASE, and say which functions changed.

    BASE and HEAD are folders that pytest --span-profiles-record, record or ab has written, or files in them. The exit
    code is 0 if no request has become slower, 1 if one has, 2 if it cannot say.
    """
    from spanprofiles.model.comparison_report import compare_recordings
    from spanprofiles.model.measurement_json import MeasurementError

    try:
        report = compare_recordings(_read(base), _read(head), threshold=threshold)
    except MeasurementError as error:
        leave(COULD_NOT_LOOK, str(error))
    print_report(report, markdown=markdown, svg=svg, as_json=as_json)


def _read(path: Path) -> dict[str, Measurement]:
    """Read a recording. A folder without measurements comes from tests that measured nothing, and is reported."""
    from spanprofiles.measure.files import SUFFIX, read_measurement, read_measurements

    if path.is_file():
        measurement = read_measurement(path)
        return {measurement.name: measurement}
    if path.is_dir() and not any(path.glob(f"*{SUFFIX}")):
        say(f"{path} holds no measurement: tests leave some with pytest --span-profiles-record={path}", err=True)
        return {}
    return read_measurements(path)
