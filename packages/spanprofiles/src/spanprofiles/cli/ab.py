"""``spanprofiles ab``: two builds of an app side by side, with the same requests."""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spanprofiles.cli.comparison import comparison_options, print_report
from spanprofiles.cli.exits import COULD_NOT_LOOK, leave, reported
from spanprofiles.cli.options import Seconds
from spanprofiles.cli.output import say

if TYPE_CHECKING:
    from spanprofiles.experiment.request_list import ListedRequest
    from spanprofiles.model import Measurement

_LARGEST_SEED = 2**32
_GIT = "git:"


@click.command()
@click.option("--base", required=True, metavar="CMD", help="The build to compare with: a command, or git:REV.")
@click.option("--head", required=True, metavar="CMD", help="The build that may be slower: a command, or git:REV.")
@click.option(
    "--command", "of_revision", metavar="CMD", help="The command of git:REV. [default: that of the other build]"
)
@click.option(
    "--requests",
    "source",
    required=True,
    metavar="FILE_OR_TEST",
    help="What to send: a file with a request on each line, or a test whose requests are recorded first.",
)
@click.option(
    "--count", type=click.IntRange(1, 100_000), default=30, show_default=True, help="How often to send each request."
)
@click.option(
    "--warm-up", type=click.IntRange(0, 1000), default=1, show_default=True, help="How often before that, not measured."
)
@click.option("--seed", type=click.IntRange(0, _LARGEST_SEED), help="Seed of the order. [default: a new one, printed]")
@click.option(
    "--ready", metavar="PATH", default="/", show_default=True, help="A path that an app answers when it is ready."
)
@click.option("--start-timeout", type=Seconds(0.1), default=30.0, show_default=True, help="Longest start, s.")
@click.option(
    "--wait", "wait_s", type=Seconds(0.1), default=15.0, show_default=True, help="Longest wait for samples, s."
)
@click.option(
    "--upload-interval", type=Seconds(1), default=1.0, show_default=True, help="The agents' upload interval, s."
)
@click.option("--backend", help="Where telemetry goes. [default: SPAN_PROFILES_BACKEND, else the embedded pair]")
@click.option(
    "--record",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the measurements in DIR/base and DIR/head, for compare.",
)
@comparison_options
def command(
    base: str,
    head: str,
    of_revision: str | None,
    source: str,
    count: int,
    warm_up: int,
    seed: int | None,
    ready: str,
    start_timeout: float,
    wait_s: float,
    upload_interval: float,
    backend: str | None,
    record: Path | None,
    threshold: float,
    markdown: Path | None,
    svg: Path | None,
    as_json: bool,
) -> None:
    """Run two builds of an app side by side, send both the same requests in random order, and compare their CPU.

    A build is a command, such as 'python app.py {port}', or git:REV: then the command of the other build runs in a git
    work tree of that revision, which is removed afterwards. {port}, {host}, {address} and {url} are the app's own.

    Each line of a file of requests is a path, or a method and a path, perhaps with a body. The exit code is 0 if no
    request has become slower, 1 if one has, 2 if it cannot say.
    """
    from spanprofiles.backends import BackendSettings
    from spanprofiles.experiment.build import checked_out
    from spanprofiles.experiment.commands import end_by_interruption
    from spanprofiles.experiment.errors import ExperimentError
    from spanprofiles.experiment.trial import Trial, run_trial
    from spanprofiles.linking import Linker, LinkError, Waiting
    from spanprofiles.model.comparison_report import compare_recordings

    end_by_interruption()
    here, seed = Path.cwd(), random.SystemRandom().randrange(_LARGEST_SEED) if seed is None else seed
    with reported():
        try:
            requests = _requests(source, here)
            settings = BackendSettings.read(os.environ, {"backend": backend})
            say(f"{len(requests)} different requests, {count} times each to either build, seed {seed}", err=True)
            with ExitStack() as running:
                commands = of_revision or (head if base.startswith(_GIT) else base)
                builds = [
                    running.enter_context(checked_out(side, text, "" if commands.startswith(_GIT) else commands, here))
                    for side, text in (("base", base), ("head", head))
                ]
                endpoints = running.enter_context(settings.create())
                environment = {**endpoints.environment(), "PYROSCOPE_UPLOAD_INTERVAL": f"{upload_interval:g}"}
                linker = Linker.of(endpoints, waiting=Waiting(wait_s), upload_interval_s=upload_interval)
                trial = Trial(
                    base=builds[0],
                    head=builds[1],
                    requests=tuple(requests),
                    count=count,
                    warm_up=warm_up,
                    seed=seed,
                    ready=ready,
                    start_timeout_s=start_timeout,
                    backend=settings.chosen,
                )
                measured = run_trial(trial, environment, linker, lambda line: say(line, err=True))
        except (ExperimentError, LinkError) as error:  # a broken link is no regression
            leave(COULD_NOT_LOOK, *str(error).split("\n"))
    if record is not None:
        _keep(record, measured)
    bases, heads = ({measurement.name: measurement for measurement in side} for side in measured)
    report = compare_recordings(bases, heads, threshold=threshold)
    print_report(report, markdown=markdown, svg=svg, as_json=as_json)


def _requests(source: str, directory: Path) -> list[ListedRequest]:
    """Read the requests of a file, or run a test and record what it sends.

    Raises:
        ExperimentError: there are none.
    """
    from spanprofiles.experiment.commands import run
    from spanprofiles.experiment.errors import ExperimentError
    from spanprofiles.experiment.request_list import read_requests

    file = Path(source.partition("::")[0])
    if "::" not in source and file.suffix != ".py" and not file.is_dir():
        return read_requests(file)
    if not file.exists():
        raise ExperimentError(f"there is no test {source}: {file} is not there")
    with _temporary_folder() as folder:
        sent = folder / "requests"
        say(f"running {source} to record its requests", err=True)
        arguments = ["-q", "-p", "no:cacheprovider", f"--span-profiles-requests={sent}", source]
        code = run([sys.executable, "-m", "pytest", *arguments], directory, output_to_stderr=True)
        if code:
            raise ExperimentError(
                f"the test {source} does not pass (pytest ended with {code}), so its requests cannot be used"
            )
        if not sent.exists():
            raise ExperimentError(f"the test {source} sent no request to an app that span_profiles_app has started")
        return read_requests(sent)


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="spanprofiles-requests-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _keep(folder: Path, measured: tuple[list[Measurement], list[Measurement]]) -> None:
    from spanprofiles.measure.files import RecordingFailedError, write_measurement

    try:
        for side, measurements in zip(("base", "head"), measured, strict=True):
            for measurement in measurements:
                write_measurement(folder / side, measurement)
    except RecordingFailedError as error:
        leave(COULD_NOT_LOOK, str(error))
