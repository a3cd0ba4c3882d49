"""Mutation tests of one room: how many small changes to its code do its tests notice?

    python -m bench.mutants model
    python -m bench.mutants embedded --sample 300 --seed 1
    python -m bench.mutants embedded --modules 'traceql/*' parser.py

mutmut makes the mutants and runs, for each, the tests that reach the changed function. It wants a project with a folder
``src`` of its own, so the room is copied to ``.mutants/ROOM``, with the tests and what they read. A room takes minutes
to hours; a sample gives a share with an interval in a fraction of the time. The command prints each survivor as a
difference, and ends with 1 where fewer than 90 % of the mutants are noticed. ``tests/survivors.yaml`` lists those that
were looked at and may live, with the reason: they count as noticed. A kind of change that comes in many places is
listed once, by a pattern.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
WANTED_SHARE = 0.9
# Exit codes of the tests as mutmut writes them down.
NO_TESTS, SURVIVED, NOT_RUN = 33, 0, None
# What tests read besides the sources.
COPIED = (
    "tests",
    "rideshare",
    "loadgen",
    "grafana",
    "docs",
    "examples",
    "README.md",
    "SECURITY.md",
    "docker-compose.yml",
)
# Tests that count steps, calls or seconds see mutmut's own work, and others set defaults of functions that it wraps.
# Those of whole processes take seconds for each mutant. One test copies the processor under another name, where its
# mutants do not find themselves.
_LEFT_OUT = (
    "in_proportion",
    "linear",
    "quadratic",
    "between_two_looks",
    "looks_at_the_clock",
    "same_deadline",
    "answer_that_is_too_large_is_refused",
    "answer_beyond_the_limit",
    "request_does_not_come",
    "reads_nothing_holds_little",
    "tells_the_largest_stacks",
    "labels_of_one_answer",
    "oldest_protobuf",
    "imports_neither_the_harness",
)
LEFT_OUT = " and ".join(f"not {name}" for name in _LEFT_OUT)
# These start programs, or take their time.
MARKS_LEFT_OUT = "not slow and not exhaustive and not upstream and not grafana"

# mutmut walks through the names of the functions that a test has reached while threads of a server add to them. It runs
# the tests once before it forks a process for each mutant: what a cache keeps of that run would hide the mutants.
_MUTMUT = """
import os
import sys

from mutmut import __main__
from mutmut.state import state


def forget():
    for name, module in list(sys.modules.items()):
        if name.startswith("spanprofiles"):
            for value in list(vars(module).values()):
                if type(value).__name__ == "ByteCache":
                    value.clear()
                elif type(value).__name__ == "_lru_cache_wrapper":
                    value.cache_clear()


os.register_at_fork(after_in_child=forget)

class Names(set):
    def __iter__(self):
        return iter(self.copy())

state()._stats = Names()
__main__.cli()
"""


@dataclass(frozen=True)
class Room:
    """A part of the product, and the tests that are to notice its mutants.

    Attributes:
        sources: patterns of its files, below a source folder.
        tests: the folders and files of its tests.
    """

    sources: tuple[str, ...]
    tests: tuple[str, ...]

    def only(self, modules: Sequence[str]) -> Room:
        """Return the room with the modules of these patterns alone, or the whole of it where there are none."""
        if not modules:
            return self
        return Room(tuple(pattern.replace("*", module) for pattern in self.sources for module in modules), self.tests)


# The processor's other tests run it in processes of their own, which import it from elsewhere.
_IN_PROCESS = ("agent", "one_processor", "options", "robustness", "steps", "whose_labels", "without_a_process")

ROOMS = {
    "model": Room(
        ("spanprofiles/model/*",),
        ("tests/unit/model", "tests/unit/report", "tests/unit/clients", "tests/unit/linking", "tests/unit/doctor"),
    ),
    "linking": Room(("spanprofiles/linking/*",), ("tests/unit/linking", "tests/unit/grafana", "tests/unit/doctor")),
    "doctor": Room(("spanprofiles/doctor/*",), ("tests/unit/doctor", "tests/unit/linking")),
    "embedded": Room(("spanprofiles/embedded/*",), ("tests/unit/embedded", "tests/conformance")),
    "processor": Room(
        ("spanprofiles_processor/*",),
        tuple(f"tests/processor/test_{name}.py" for name in _IN_PROCESS),
    ),
}


class Workshop:
    """The copy of the repository in which a room's mutants live."""

    def __init__(self, name: str, modules: Sequence[str] = ()) -> None:
        self.folder = ROOT / ".mutants" / name
        self.room = ROOMS[name].only(modules)

    def prepare(self) -> None:
        """Copy the sources and the tests anew."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        for source in sorted((ROOT / "packages").glob("*/src")):
            shutil.copytree(
                source, self.folder / "src", dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
            )
        for name in COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, self.folder / name)
        settings = {
            "source_paths": ["src"],
            "only_mutate": [f"src/{pattern}" for pattern in self.room.sources],
            "pytest_add_cli_args_test_selection": list(self.room.tests),
            "pytest_add_cli_args": ["-p", "no:cacheprovider", "-k", LEFT_OUT, "-m", MARKS_LEFT_OUT],
            "also_copy": list(COPIED),
        }
        # JSON's strings and lists are TOML's
        lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
        metadata = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        (self.folder / "pyproject.toml").write_text(
            "\n".join([metadata, "[tool.mutmut]", *lines, ""]), encoding="utf-8"
        )

    def mutmut(self, *arguments: str, quiet: bool = False) -> str:
        """Run mutmut and return what it prints, where it is not to be seen."""
        found = subprocess.run(
            [sys.executable, "-c", _MUTMUT, *arguments],
            cwd=self.folder,
            env={**os.environ, "CI": "true"},
            stdout=subprocess.PIPE if quiet else None,
            text=True,
            check=False,
        )
        return found.stdout or ""

    def exit_codes(self) -> dict[str, int | None]:
        """Return what each mutant's tests ended with; None for a mutant that was not tried."""
        codes: dict[str, int | None] = {}
        for meta in (self.folder / "mutants" / "src").rglob("*.meta"):
            codes.update(json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"])
        return codes


@dataclass(frozen=True)
class Survivors:
    """The survivors that may live, each with the reason.

    Attributes:
        changes: by their changed lines.
        kinds: by a pattern of their changed lines, for what comes in many places.
    """

    changes: Mapping[str, str]
    kinds: Mapping[re.Pattern[str], str]

    @classmethod
    def listed(cls) -> Survivors:
        """Read those that are listed."""
        entries = yaml.safe_load((ROOT / "tests" / "survivors.yaml").read_text(encoding="utf-8")) or []
        return cls(
            {
                "\n".join(entry["change"].strip().splitlines()): entry["reason"]
                for entry in entries
                if "change" in entry
            },
            {re.compile(entry["pattern"].strip()): entry["reason"] for entry in entries if "pattern" in entry},
        )

    def may_live(self, changed: str) -> bool:
        """Whether a survivor is listed, by its changed lines or its kind."""
        return changed in self.changes or any(pattern.fullmatch(changed) for pattern in self.kinds)


def changed_lines(difference: str) -> str:
    """Return the removed and the added lines of a difference, without their indentation."""
    lines = re.findall(r"^([+-])(?![+-]{2} )\s*(.*)$", difference, re.MULTILINE)
    return "\n".join(f"{sign} {text}" for sign, text in lines)


def interval(noticed: int, tried: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share."""
    z, share = 1.96, noticed / tried
    middle = (share + z * z / (2 * tried)) / (1 + z * z / tried)
    reach = z * math.sqrt(share * (1 - share) / tried + z * z / (4 * tried * tried)) / (1 + z * z / tried)
    return middle - reach, middle + reach


def report(workshop: Workshop, tried: dict[str, int | None]) -> int:
    """Print survivors and the share of noticed mutants; return the exit code."""
    survivors, noticed, fates = Survivors.listed(), 0, Counter[str]()
    for mutant, code in sorted(tried.items()):
        if code not in {SURVIVED, NO_TESTS}:
            noticed += 1
            continue
        difference = changed_lines(workshop.mutmut("show", mutant, quiet=True))
        is_accepted = survivors.may_live(difference)
        fate = "may live" if is_accepted else "no test reaches it" if code == NO_TESTS else "survived"
        fates[fate] += 1
        noticed += is_accepted
        if not is_accepted:
            print(f"\n{mutant}: {fate}\n{difference}")
    if not tried:
        print("no mutant was tried", file=sys.stderr)
        return 2
    low, high = interval(noticed, len(tried))
    share = noticed / len(tried)
    others = ", ".join(f"{count} {fate}" for fate, count in sorted(fates.items()))
    print(f"\n{noticed} of {len(tried)} mutants are noticed, {share:.1%} ({low:.1%} to {high:.1%})")
    print(others or "none survived")
    return 0 if share >= WANTED_SHARE else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Count the mutants of a room that its tests notice.")
    parser.add_argument("room", choices=sorted(ROOMS))
    parser.add_argument("--modules", nargs="+", default=(), help="only these of the room: patterns of their files")
    parser.add_argument("--sample", type=int, help="try only so many mutants, drawn at random")
    parser.add_argument("--seed", type=int, default=0, help="of the draw (default 0)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="how many at once (all processors)")
    options = parser.parse_args(arguments)
    workshop = Workshop(options.room, options.modules)
    workshop.prepare()
    workers = ("--max-children", str(options.workers))
    drawn: list[str] = []
    if options.sample:
        # A first run for a name that no mutant has makes the mutants, and finds out which tests reach which function.
        workshop.mutmut("run", *workers, "no mutant has this name")
        mutants = sorted(workshop.exit_codes())
        drawn = random.Random(options.seed).sample(mutants, min(options.sample, len(mutants)))
    workshop.mutmut("run", *workers, *drawn)
    return report(workshop, {name: code for name, code in workshop.exit_codes().items() if code is not NOT_RUN})


if __name__ == "__main__":
    sys.exit(main())
