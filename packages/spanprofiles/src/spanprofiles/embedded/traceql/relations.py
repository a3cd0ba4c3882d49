"""The relations between spans of a trace: ``>>``, ``<<``, ``>``, ``<``, ``~``, and their forms with ``!`` and ``&``.

Without ``&`` the answer is spans of the right side, with it those of both sides that are related. Spans that no root
leads to have no place in the tree (``left`` and ``parent`` are 0), and so are related to none.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Sequence

from spanprofiles.embedded.deadline import PIECE, Deadline
from spanprofiles.embedded.traceql import operators
from spanprofiles.embedded.traceql.fetcher import SpanView

Views = Sequence[SpanView]


def _inside(inner: Views, outer: Views, deadline: Deadline) -> set[int]:
    """Find the inner spans that have an ancestor among the outer ones, by ``id``."""
    found: set[int] = set()
    placed = sorted((view.record.left, view.record.right) for view in deadline.watch(outer, PIECE) if view.record.left)
    open_ends: list[int] = []
    next_outer = 0
    in_place = [view for view in deadline.watch(inner, PIECE) if view.record.left]
    for view in deadline.watch(sorted(in_place, key=lambda view: view.record.left), PIECE):
        left = view.record.left
        while next_outer < len(placed) and placed[next_outer][0] < left:
            while open_ends and open_ends[-1] < placed[next_outer][0]:
                open_ends.pop()
            open_ends.append(placed[next_outer][1])
            next_outer += 1
        while open_ends and open_ends[-1] < left:
            open_ends.pop()
        if open_ends:
            found.add(id(view))
    return found


def _around(outer: Views, inner: Views, deadline: Deadline) -> set[int]:
    """Find the outer spans that have a descendant among the inner ones, by ``id``."""
    lefts = sorted(view.record.left for view in deadline.watch(inner, PIECE) if view.record.left)
    found: set[int] = set()
    for view in deadline.watch(outer, PIECE):
        record = view.record
        if record.left:
            position = bisect.bisect_right(lefts, record.left)
            if position < len(lefts) and lefts[position] < record.right:
                found.add(id(view))
    return found


def _children(below: Views, above: Views, deadline: Deadline) -> set[int]:
    parents = {view.record.left for view in deadline.watch(above, PIECE) if view.record.left}
    return {id(view) for view in deadline.watch(below, PIECE) if view.record.parent in parents}


def _parents(above: Views, below: Views, deadline: Deadline) -> set[int]:
    wanted = {view.record.parent for view in deadline.watch(below, PIECE)}
    return {id(view) for view in deadline.watch(above, PIECE) if view.record.left and view.record.left in wanted}


def _siblings(views: Views, others: Views, deadline: Deadline) -> set[int]:
    by_parent: dict[int, set[int]] = {}
    for other in deadline.watch(others, PIECE):
        by_parent.setdefault(other.record.parent, set()).add(id(other))
    found: set[int] = set()
    for view in deadline.watch(views, PIECE):
        same = by_parent.get(view.record.parent)
        if view.record.parent and same and len(same) > (id(view) in same):
            found.add(id(view))
    return found


Relation = Callable[[Views, Views, Deadline], set[int]]
# For each relation: which of the right side have a partner on the left, and which of the left have one on the right.
RELATIONS: dict[str, tuple[Relation, Relation]] = {
    operators.DESCENDANT: (_inside, _around),
    operators.ANCESTOR: (_around, _inside),
    operators.CHILD: (_children, _parents),
    operators.PARENT: (_parents, _children),
    operators.SIBLING: (_siblings, _siblings),
}


def related(operator: str, left: Views, right: Views, deadline: Deadline) -> list[SpanView]:
    """Find the spans that an operation between two spansets of one trace gives."""
    name = operator.lstrip("!&")
    of_right, of_left = RELATIONS[name]
    found = of_right(right, left, deadline)
    if operator.startswith("!"):
        return [view for view in deadline.watch(right, PIECE) if id(view) not in found]
    chosen: Iterable[SpanView] = (view for view in deadline.watch(right, PIECE) if id(view) in found)
    if not operator.startswith("&"):
        return list(chosen)
    partners = of_left(left, right, deadline)
    both = {id(view): view for view in chosen}
    both.update({id(view): view for view in deadline.watch(left, PIECE) if id(view) in partners})
    return list(both.values())
