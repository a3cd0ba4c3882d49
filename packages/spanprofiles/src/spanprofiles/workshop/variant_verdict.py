"""A variant of a program, and what a learner's tests said of it: plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

SETTINGS_VARIABLE = "SPAN_PROFILES_WORKSHOP_VARIANT"
"""Tells a run of the tests which variant it is about, JSON."""

_MISTAKES = ("NameError", "TypeError", "AttributeError", "KeyError", "IndexError", "ImportError", "ModuleNotFoundError")


@dataclass(frozen=True)
class Variant:
    """One variant of the program under test.

    Attributes:
        name: what to call it; unique.
        program: its file.
        is_healthy: whether all tests must pass on it; on any other, one test must fail.
        environment: variables that are added to the program's.
        fewest_requests: how often the tests must ask for each of these paths.
        runs: how often the tests run against it, at once: they must be right each time, and not by chance.
        copies: in how many parts the tests run at once, each against a program of its own, if they share nothing.
        confirmations: how often they run once more, one after the other, where chance or a busy machine may have had a
            hand in a wrong verdict. Only if they are right each of these times, the wrong one does not count.
    """

    name: str
    program: Path
    is_healthy: bool
    environment: Mapping[str, str] = field(default_factory=dict)
    fewest_requests: Mapping[str, int] = field(default_factory=dict)
    runs: int = 1
    copies: int = 1
    confirmations: int = 0


@dataclass(frozen=True)
class ShareClaim:
    """What a test compared a share with.

    Attributes:
        subject: what it is the share of, in words: ``the share of f``.
        share: what the share was, 0 to 1.
        bound: what it was compared with.
    """

    subject: str
    share: float
    bound: float


@dataclass(frozen=True)
class Verdict:
    """What the tests said of one variant.

    Attributes:
        variant: which.
        failed: the tests that failed, by name, and the first line of why.
        passed: the tests that passed.
        requests: how often the tests asked for each path.
        traces: the last trace that each test asked about, by the test's name.
        share: the share of the judge's function in the last flame graph that a test looked at; None where none did.
        claims: what the tests compared shares with.
        unknown: the functions that no sample has although the tests asked about them, with similar ones or the largest.
        is_by_chance: whether the tests were wrong about it in this run, and right in another.
        shares: :attr:`share` in each run, where there was more than one.
        runs: how many runs it is made of.
    """

    variant: Variant
    failed: Mapping[str, str] = field(default_factory=dict)
    passed: tuple[str, ...] = ()
    requests: Mapping[str, int] = field(default_factory=dict)
    traces: Mapping[str, str] = field(default_factory=dict)
    share: float | None = None
    claims: tuple[ShareClaim, ...] = ()
    unknown: Mapping[str, Sequence[str]] = field(default_factory=dict)
    is_by_chance: bool = False
    shares: tuple[float, ...] = ()
    runs: int = 1

    @property
    def is_right(self) -> bool:
        """Whether the tests tell what the variant is."""
        if not self.variant.is_healthy:
            return bool(self.failed)
        return bool(self.passed) and not self.failed and not self.too_few_requests

    @property
    def too_few_requests(self) -> dict[str, int]:
        """How often the tests asked for the paths for which they must ask more often."""
        asked = {path: self.requests.get(path, 0) for path in self.variant.fewest_requests}
        return {path: count for path, count in asked.items() if count < self.variant.fewest_requests[path]}

    def unknown_in_words(self) -> list[str]:
        """Say of each function that no sample has which ones there are."""
        return [
            f"no function is called {name!r}" + (f"; there are {', '.join(known)}" if known else "")
            for name, known in self.unknown.items()
        ]

    @property
    def has_mistake(self) -> bool:
        """Whether a test failed by an error in its own text, such as a misspelt name, and not by a claim."""
        return any(why.startswith(_MISTAKES) for why in self.failed.values())

    @property
    def may_be_chance(self) -> bool:
        """Whether it is wrong in a way that another run may not be: a claim that failed, and no mistake in a test."""
        if self.is_right or self.too_few_requests or self.unknown:
            return False
        if not self.variant.is_healthy:
            return self.is_by_chance
        return bool(self.failed) and not self.has_mistake

    @property
    def trace_id(self) -> str:
        """The trace to show of it: that of a test that failed, or of any; empty where no test asked about one."""
        of_failed = (self.traces[test] for test in self.failed if test in self.traces)
        return next(of_failed, next(iter(self.traces.values()), ""))


def joined(parts: Iterable[Verdict]) -> Verdict:
    """Return the verdict of a run whose tests were divided, as if they had run one after the other.

    Args:
        parts: of the first tests, of those after them, and so on; none is asked for behind one in which a test failed,
            for there the run would have ended.
    """
    whole: Verdict | None = None
    for part in parts:
        whole = part if whole is None else _with(whole, part)
        if whole.failed:
            break
    if whole is None:
        raise ValueError("a run has one part or more")
    return whole


def _with(first: Verdict, second: Verdict) -> Verdict:
    return replace(
        first,
        failed={**first.failed, **second.failed},
        passed=first.passed + second.passed,
        requests=Counter(first.requests) + Counter(second.requests),
        traces={**first.traces, **second.traces},
        share=first.share if second.share is None else second.share,
        claims=first.claims + second.claims,
        unknown={**first.unknown, **second.unknown},
    )


def merged(runs: Sequence[Verdict]) -> Verdict:
    """Return the verdict on a variant of all runs together: that of one that is wrong, where any is."""
    wrong = next((verdict for verdict in runs if not verdict.is_right), None)
    shares = tuple(verdict.share for verdict in runs if verdict.share is not None) if len(runs) > 1 else ()
    if wrong is None:
        return replace(runs[0], shares=shares, runs=len(runs))
    return replace(wrong, is_by_chance=any(verdict.is_right for verdict in runs), shares=shares, runs=len(runs))


def confirmed(runs: Sequence[Verdict], more: Iterable[Verdict]) -> Verdict:
    """Return the verdict on a variant after further runs, which end at the first that is wrong.

    Args:
        runs: those at once, one of them wrong.
        more: those after them. If all are right, what was wrong before was the machine.
    """
    further: list[Verdict] = []
    for verdict in more:
        further.append(verdict)
        if not verdict.is_right:
            return merged([*runs, *further])
    return merged(further) if further else merged(runs)
