"""Call paths of two flame graphs: how much of one is work that the other does as well."""

from __future__ import annotations

from itertools import takewhile
from operator import eq

from spanprofiles.model.flamegraph import FlameGraph


def share_on_paths_of(flamegraph: FlameGraph, other: FlameGraph) -> float:
    """Return the share of a flame graph, 0 to 1, whose call paths the other has too.

    Which function was at work at the moment of a sample is chance, so a path also counts if the other flame graph has
    its callers; but not if these are no more than the framework that all paths of the other begin with.
    """
    if not flamegraph.total or other.is_empty:
        return 0.0
    known = {path[:depth] for path in other.stacks for depth in range(1, len(path) + 1)}
    trunk = _trunk(other)
    alike = sum(
        value
        for path, value in flamegraph.stacks.items()
        if path in known or (len(path) - 1 > trunk and path[:-1] in known)
    )
    return alike / flamegraph.total


def _trunk(flamegraph: FlameGraph) -> int:
    """Return how many frames all call paths begin with; there is at least one."""
    paths = flamegraph.stacks
    ends = zip(min(paths), max(paths), strict=False)  # what the first and the last in order share, all share
    return sum(1 for _ in takewhile(lambda frames: eq(*frames), ends))
