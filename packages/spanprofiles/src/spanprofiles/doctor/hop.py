"""A hop: one step on the way from a request to its flame graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from spanprofiles.doctor.collectors.case import Case
from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.finding import Finding


def nothing_to_collect(_: Case, facts: Facts) -> Facts:
    """Return the facts as they are."""
    return facts


def always(_: Case) -> bool:
    """Return True."""
    return True


@dataclass(frozen=True)
class Hop:
    """One step from a request to its flame graph.

    Attributes:
        name: what the doctor calls it.
        judge: says whether the hop is in order. It sees the facts alone and asks no server.
        collect: asks the servers what no earlier hop has asked, and returns the facts with the answers added. It raises
            ClientError where a server fails.
        is_wanted: whether the case wants these answers: a probe is sent only where the user asks for it.
    """

    name: str
    judge: Callable[[Facts], Finding]
    collect: Callable[[Case, Facts], Facts] = nothing_to_collect
    is_wanted: Callable[[Case], bool] = always

    def collects(self, case: Case) -> bool:
        """Tell whether the hop has something to ask in this case."""
        return self.collect is not nothing_to_collect and self.is_wanted(case)
