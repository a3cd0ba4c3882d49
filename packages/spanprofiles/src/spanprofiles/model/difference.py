"""What changed between two flame graphs, function by function."""

from __future__ import annotations

from dataclasses import dataclass

from spanprofiles.model.flamegraph import FlameGraph, FunctionTotals


@dataclass(frozen=True)
class FunctionChange:
    """One function in both flame graphs; values as in the flame graphs (ns for CPU).

    Attributes:
        name: the function.
        self_before: value of its own code in the first flame graph.
        self_after: the same in the second.
        total_before: value of the call paths it is on in the first.
        total_after: the same in the second.
    """

    name: str
    self_before: int
    self_after: int
    total_before: int
    total_after: int

    @property
    def self_change(self) -> int:
        """How much the function's own code grew; negative where it shrank."""
        return self.self_after - self.self_before

    @property
    def total_change(self) -> int:
        """How much the call paths through the function grew; negative where they shrank."""
        return self.total_after - self.total_before


@dataclass(frozen=True)
class FlameGraphDifference:
    """Two flame graphs side by side; iterate over :attr:`changes`."""

    before: FlameGraph
    after: FlameGraph

    @property
    def total_change(self) -> int:
        """How much the whole grew; negative where it shrank."""
        return self.after.total - self.before.total

    @property
    def changes(self) -> list[FunctionChange]:
        """Every function of either flame graph, the largest change of own value (either way) first."""
        before, after = self.before.by_function, self.after.by_function
        absent = FunctionTotals("", 0, 0, 0.0)
        changes = []
        for name in before.keys() | after.keys():
            old, new = before.get(name, absent), after.get(name, absent)
            changes.append(FunctionChange(name, old.self, new.self, old.total, new.total))
        changes.sort(key=lambda change: (-abs(change.self_change), -abs(change.total_change), change.name))
        return changes

    @property
    def guilty(self) -> FunctionChange | None:
        """The function whose own code grew most, or None where nothing grew."""
        return next((change for change in self.changes if change.self_change > 0), None)
