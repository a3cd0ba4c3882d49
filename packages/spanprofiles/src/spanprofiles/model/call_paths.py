"""Call paths of two flame graphs: how much of one is work that the other does as well."""

from __future__ import annotations

from spanprofiles.model.flamegraph import FlameGraph


def share_on_paths_of(flamegraph: FlameGraph, other: FlameGraph) -> float:
    """Return the share of a flame graph, 0 to 1, whose call paths the other has too.

    A path counts if the other flame graph has its callers: which function was at work at the moment of a sample is
    chance.
    """
    if not flamegraph.total:
        return 0.0
    known = {path[:depth] for path in other.stacks for depth in range(1, len(path) + 1)}
    alike = sum(value for path, value in flamegraph.stacks.items() if path in known or path[:-1] in known)
    return alike / flamegraph.total
