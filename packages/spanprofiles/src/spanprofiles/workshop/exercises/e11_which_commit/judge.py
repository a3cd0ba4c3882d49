"""Judges the answer to: which commit made the request slower, in which function, and which two commits are equal?"""

from __future__ import annotations

import re
from random import Random

from spanprofiles.measure.files import RecordingFailedError, write_measurement
from spanprofiles.model import Measurement, estimate_text
from spanprofiles.workshop.drawn_measurement import Path, drawn_measurement
from spanprofiles.workshop.errors import WorkshopError
from spanprofiles.workshop.judgement import Judgement
from spanprofiles.workshop.workbench import Workbench

COMMITS, REQUESTS = 5, 160
SERVICE, NAME = "route-planner", "GET /route"
RECORDINGS = "recordings"
CALLER = "check_detours"

_ROOT: Path = ("serve", "plan_route")
_WORK: dict[Path, float] = {
    (*_ROOT, "load_map"): 4.0,
    (*_ROOT, "find_path"): 8.0,
    ("serve", "calculate_price"): 3.0,
    ("serve", "render"): 5.0,
}
_CALLER_COSTS, _SLOW_COSTS = 0.3, 7.0  # samples a request
_VERBS = ("collate", "merge", "replay", "rescore", "round", "shuffle", "sift", "tally")
_NOUNS = ("bridges", "crossings", "ferries", "junctions", "lanes", "tolls", "tunnels", "zones")
_ANSWER = re.compile(r"(commit )?(?P<commit>\d)\W+(?P<function>[A-Za-z_]\w*)(?:\(\))?\W+(?P<pair>\d\W+\d)")


def drawn(bench: Workbench) -> str:
    """Return the slow commit, its function, and the first pair of commits that are equal."""
    slow, function = _drawn(bench)
    equal = "1=2" if slow > 2 else "2=3"
    return f"{slow} {function} {equal}"


def judge(bench: Workbench) -> Judgement:
    """Judge the answer; without one, write the recordings."""
    if not bench.answer:
        return _recorded(bench)
    match = _ANSWER.fullmatch(bench.answer.strip())
    if match is None:
        return Judgement.fails(
            f"{bench.answer!r} is not a commit, function and pair", "an answer such as: 4 load_map 1=2", hint=1
        )
    first, second = (int(number) for number in re.findall(r"\d", match["pair"]))
    named = [int(match["commit"]), first, second]
    if not all(1 <= number <= COMMITS for number in named) or first == second:
        return Judgement.fails(f"there are the commits 1 to {COMMITS}", "a commit, and a pair of two", hint=1)
    wrong = [*_of_commit(bench, named[0]), *_of_function(bench, match["function"]), *_of_pair(bench, first, second)]
    if wrong:
        seen, missing, hint = wrong[0]
        return Judgement.fails(seen, missing, hint)
    slow, function = _drawn(bench)
    return Judgement.passes(
        [
            f"commit {slow} is right: requests cost {_cost(bench, slow - 1)} before, and {_cost(bench, slow)} since",
            f"the commit added {function}; commits {first} and {second} differ by no more than chance",
        ]
    )


def _recorded(bench: Workbench) -> Judgement:
    for number in range(1, COMMITS + 1):
        try:
            write_measurement(bench.folder / RECORDINGS / str(number), _measured(bench, number))
        except RecordingFailedError as error:
            raise WorkshopError(str(error)) from error
    return Judgement.fails(
        f"{RECORDINGS}/1 to {RECORDINGS}/{COMMITS} hold {REQUESTS} requests of each of {COMMITS} commits, the oldest"
        " first",
        f"your answer: spanprofiles workshop check {bench.exercise.number} COMMIT FUNCTION PAIR, such as:"
        " 4 load_map 1=2",
        hint=1,
    )


def _of_commit(bench: Workbench, number: int) -> list[tuple[str, str, int]]:
    slow, _ = _drawn(bench)
    if number == slow:
        return []
    missing = "the first commit whose requests cost more than those of the commit before it"
    if number == 1:
        return [("commit 1 is the oldest: there is none before it to be quicker", missing, 2)]
    costs = f"{_cost(bench, number - 1)} before commit {number}, and {_cost(bench, number)} since"
    return [(f"a request cost {costs}: that is no more than chance", missing, 2)]


def _of_function(bench: Workbench, name: str) -> list[tuple[str, str, int]]:
    slow, function = _drawn(bench)
    if name == function:
        return []
    before, since = (estimate_text.time(*_measured(bench, number).own(name)) for number in (slow - 1, slow))
    missing = "the function whose own code makes the two commits differ"
    if name == CALLER:
        return [(f"{CALLER} is new as well, and its own code costs {since}: it calls what is slow", missing, 3)]
    return [(f"the own code of {name} cost {before} before the slow commit, and {since} since", missing, 3)]


def _of_pair(bench: Workbench, first: int, second: int) -> list[tuple[str, str, int]]:
    slow, _ = _drawn(bench)
    if (first < slow) == (second < slow):
        return []
    costs = f"{_cost(bench, first)} at commit {first}, and {_cost(bench, second)} at commit {second}"
    return [(f"a request cost {costs}: the slow commit lies between them", "a pair that is equal", 2)]


def _drawn(bench: Workbench) -> tuple[int, str]:
    random = Random(f"{bench.seed}/which commit")  # noqa: S311  # not a secret
    return random.randint(2, COMMITS), f"{random.choice(_VERBS)}_{random.choice(_NOUNS)}"


def _measured(bench: Workbench, number: int) -> Measurement:
    slow, function = _drawn(bench)
    work = dict(_WORK)
    if number >= slow:
        caller: Path = (*_ROOT, CALLER)
        work |= {caller: _CALLER_COSTS, (*caller, function): _SLOW_COSTS}
    random = Random(f"{bench.seed}/commit {number}")  # noqa: S311  # not a secret
    return drawn_measurement(random, NAME, work, requests=REQUESTS, service=SERVICE, version=f"commit {number}")


def _cost(bench: Workbench, number: int) -> str:
    return estimate_text.time(*_measured(bench, number).cpu)
