"""Runs an experiment: two builds side by side answer the same requests, and each is measured on each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import requests

from spanprofiles.clients import ClientError
from spanprofiles.experiment.build import Build, RunningBuild
from spanprofiles.experiment.errors import ExperimentError
from spanprofiles.experiment.request_list import ListedRequest
from spanprofiles.experiment.schedule import BASE, HEAD, SIDES, Turn, schedule
from spanprofiles.linking import LinkedSpan, Linker
from spanprofiles.measure.assembly import measurement_of
from spanprofiles.measure.environment import environment_of
from spanprofiles.measure.processor_time import ProcessorTime, with_processor_wait
from spanprofiles.model import Measurement

_REPORTS = 10  # how often it says how far it is


@dataclass(frozen=True)
class Trial:
    """What is tried, and how.

    Attributes:
        base: the build to compare with.
        head: the build that may be slower.
        requests: the different requests.
        count: how often each build answers each request.
        warm_up: how often each build answers each request before that, untraced.
        seed: what the order is drawn from.
        ready: a path that an app answers when it is ready.
        start_timeout_s: how long it may take until then, s.
        backend: what stores traces and profiles, in a word.
    """

    base: Build
    head: Build
    requests: tuple[ListedRequest, ...]
    count: int
    warm_up: int
    seed: int
    ready: str = "/"
    start_timeout_s: float = 30.0
    backend: str = ""


def run_trial(
    trial: Trial,
    environment: Mapping[str, str],
    linker: Linker,
    progress: Callable[[str], object] = lambda _: None,
) -> tuple[list[Measurement], list[Measurement]]:
    """Run an experiment, and return the measurements of base and of head, a pair for each request.

    Both builds run all the time. They get one request at a time, so neither disturbs the other.

    Args:
        trial: what is tried.
        environment: the variables that send the builds' telemetry to the backend.
        linker: follows requests through that backend.
        progress: is called with a line of text now and then.

    Raises:
        ExperimentError: a build does not run, or does not answer as the other one does.
        LinkError, ClientError: no CPU of a request is found.
    """
    with ExitStack() as running:
        builds: dict[str, RunningBuild] = {}
        for build in (trial.base, trial.head):
            builds[build.side] = RunningBuild(build, environment)
            running.callback(builds[build.side].stop)
            builds[build.side].start(trial.ready, trial.start_timeout_s)
        for turn in schedule(trial.requests, trial.warm_up, trial.seed):
            builds[turn.side].send(turn.request, sampled=False)
        before = {side: ProcessorTime.of([build.pid]) for side, build in builds.items()}
        answers = _answers(schedule(trial.requests, trial.count, trial.seed), builds, progress)
        after = {side: ProcessorTime.of([build.pid]) for side, build in builds.items()}
        _check_that_both_answer_alike(trial.requests, answers)
        # while both still run: they have samples to upload
        base, head = (
            [
                with_processor_wait(
                    _measured(answers[Turn(side, asked)], name, trial, side, linker), before[side], after[side]
                )
                for name, asked in zip(names_of(trial.requests), trial.requests, strict=True)
            ]
            for side in SIDES
        )
        return base, head


def names_of(asked: Sequence[ListedRequest]) -> list[str]:
    """Return what to call each request: its method and path, with a number where others have the same."""
    titles = [request.title for request in asked]
    before = [titles[:index].count(title) for index, title in enumerate(titles)]
    return [f"{title} ({number + 1})" if number else title for title, number in zip(titles, before, strict=True)]


def _answers(
    turns: Sequence[Turn], builds: Mapping[str, RunningBuild], progress: Callable[[str], object]
) -> dict[Turn, list[requests.Response]]:
    answers: dict[Turn, list[requests.Response]] = {}
    every = max(1, len(turns) // _REPORTS)
    for number, turn in enumerate(turns, 1):
        answers.setdefault(turn, []).append(builds[turn.side].send(turn.request))
        if number % every == 0:
            progress(f"{number} of {len(turns)} requests are answered")
    return answers


def _check_that_both_answer_alike(
    asked: Sequence[ListedRequest], answers: Mapping[Turn, Sequence[requests.Response]]
) -> None:
    """Check that what is compared is the same work: a build that refuses a request is fast, and no better for it."""
    for request in asked:
        base, head = (sorted({answer.status_code for answer in answers[Turn(side, request)]}) for side in SIDES)
        if base != head:
            before, after = (", ".join(map(str, codes)) for codes in (base, head))
            raise ExperimentError(
                f"{request.title} is not the same work: {BASE} answers with {before}, {HEAD} with {after}. Choose a"
                " request that both answer alike"
            )


def _measured(answers: Sequence[requests.Response], name: str, trial: Trial, side: str, linker: Linker) -> Measurement:
    spans = [linker.answering_span(answer) for answer in answers]
    linked = linker.samples_of_each(spans)
    build = trial.base if side == BASE else trial.head
    _check_that_it_ran_its_own_code(build, linked, linker)
    environment = environment_of(
        spans[0].resource,
        app_version=build.version,
        backend=trial.backend,
        seed=trial.seed,
        upload_interval_s=linker.upload_interval_s,
    )
    return measurement_of(name, linked, environment)


def _check_that_it_ran_its_own_code(build: Build, linked: Sequence[LinkedSpan], linker: Linker) -> None:
    """Check that a revision was not measured by the code of another: that would show no regression, ever."""
    longest = max(linked, key=lambda each: each.flamegraph.total)
    if build.tree is None or longest.flamegraph.is_empty:
        return
    query = replace(linker.query(longest.span), profile_type=longest.profile_type)
    try:
        lines = linker.pyroscope.span_lines(query, longest.span.profile_ids)
    except ClientError:
        return  # not every server tells the files
    if sum(value for _, value in lines.stacks) != longest.flamegraph.total:
        return  # some answer for the whole service, in which the other build's code is
    file = build.code_of_another(frame.file for frames, _ in lines.stacks for frame in frames if frame.file)
    if file:
        raise ExperimentError(
            f"{build.side} ran {file}, which is not of its revision {build.version[:12]}: an editable package, perhaps."
            " Let its command name its own sources first, such as 'env PYTHONPATH=src python -m app {port}'"
        )
