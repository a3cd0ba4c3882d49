"""Call trees, and the forms in which Pyroscope's API gives them: flame graph levels, tree bytes, and differences."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter

from spanprofiles.embedded.deadline import NO_DEADLINE, PIECE, Deadline
from spanprofiles.embedded.proto.pyroscope_pb2 import FlameGraph, FlameGraphDiff, Level
from spanprofiles.embedded.pyroscope.limits import MERGED_NODES_LIMIT
from spanprofiles.embedded.store.profiles import LARGEST_INTEGER
from spanprofiles.embedded.varint import varint

OTHER, TOTAL = "other", "total"
FEW = 16
"""How many stacks, or pairs of nodes, are gone through between two looks at the clock."""


@dataclass(slots=True, eq=False)
class Node:
    """A function in its call path: what it cost itself, and with everything it called."""

    name: str
    total: int = 0
    own: int = 0
    children: dict[str, Node] = field(default_factory=dict, repr=False)

    def in_order(self) -> list[Node]:
        """Return the children by name, as Pyroscope has them."""
        if len(self.children) < 2:
            return list(self.children.values())
        return [self.children[name] for name in sorted(self.children)]  # code points sort as their UTF-8 does


def build(
    stacks: Iterable[tuple[tuple[str, ...], int]],
    deadline: Deadline = NO_DEADLINE,
    limit: int = MERGED_NODES_LIMIT,
) -> Node:
    """Build the call tree of stacks (root first) and their values.

    Its root has no name. Values that are not above zero, and stacks without a frame, are left out.

    Args:
        stacks: best the largest first: what comes when the tree is full is told apart less.
        deadline: by when to be ready.
        limit: how many nodes there are before what is new is told apart less; there are never twice as many.
    """
    root = Node("")
    count, fold_at, full = 0, limit + limit // 4, False
    for names, value in deadline.watch(stacks, FEW):
        if value <= 0 or not names:
            continue
        full = full or count >= limit
        node = root
        node.total += value
        for place, name in enumerate(names):
            child = node.children.get(name)
            if child is None:
                child = node.children[name] = Node(name)
                count += 1
                if full and place + 1 < len(names):  # one more function, and all that it called as one
                    child.total += value
                    node = child.children[OTHER] = Node(OTHER, value)
                    count += 1
                    break
            child.total += value
            node = child
        node.own += value
        if count > fold_at:
            deadline.check()
            count = fold_smallest(root, limit - limit // 4)
            fold_at = max(fold_at, count + limit // 4)
    return root


def fold_smallest(root: Node, limit: int) -> int:
    """Keep ``limit`` nodes, those with the largest totals; the rest becomes an ``other`` below what called it.

    Returns:
        How many nodes there are then, each ``other`` among them.
    """
    nodes = [root]
    for node in nodes:
        nodes.extend(node.children.values())
    # a node's total is no less than its children's, and it comes before them: none is kept without what called it
    ranked = sorted(nodes[1:], key=attrgetter("total"), reverse=True)
    kept = {id(node) for node in ranked[:limit]}
    count = 0
    for node in (root, *ranked[:limit]):
        children = {name: child for name, child in node.children.items() if id(child) in kept and name != OTHER}
        folded = sum(child.total for child in node.children.values()) - sum(child.total for child in children.values())
        if folded:
            children[OTHER] = Node(OTHER, folded, folded)
        node.children = children
        count += len(children)
    return count


def everything_below(root: Node) -> Iterator[Node]:
    """Every node but the root, in no order."""
    waiting = list(root.children.values())
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(node.children.values())


def largest(totals: list[int], count: int) -> int:
    """Return the least of the ``count`` largest totals; 0 where there are no more than that, or no limit."""
    if count < 1 or len(totals) <= count:
        return 0
    return sorted(totals, reverse=True)[count - 1]


def least_value(root: Node, max_nodes: int, deadline: Deadline = NO_DEADLINE) -> int:
    """Return the total a node must have so that about ``max_nodes`` remain, with the root; 0 keeps all."""
    if max_nodes <= 0:
        return 0
    totals = [node.total for node in deadline.watch(everything_below(root), PIECE)]
    return largest([root.total, *totals], max_nodes)


def kept_children(node: Node, least: int) -> list[Node]:
    """Return the children in order, those below the least value folded into one ``other`` at the end."""
    if not least and OTHER not in node.children:
        return node.in_order()
    kept, folded = [], 0
    for child in node.in_order():
        if child.total >= least and child.name != OTHER:
            kept.append(child)
        else:
            folded += child.total
    return [*kept, Node(OTHER, folded, folded)] if folded else kept


def flamegraph(root: Node, max_nodes: int = 0, deadline: Deadline = NO_DEADLINE) -> FlameGraph:
    """Make the message FlameGraph of a tree.

    Each level is a list of groups of four: offset from the end of the group before, total, self, index into ``names``.
    """
    least = least_value(root, max_nodes, deadline)
    steps = deadline.watch(itertools.count(), PIECE)
    names = {TOTAL: 0}
    levels: list[list[tuple[int, Node, int]]] = []
    largest_own = 0
    waiting: list[tuple[int, int, Node]] = [(0, 0, root)]
    while waiting:
        next(steps)
        offset, depth, node = waiting.pop()
        largest_own = max(largest_own, node.own)
        name = 0 if node is root else names.setdefault(node.name, len(names))
        if depth == len(levels):
            levels.append([])
        levels[depth].append((offset, node, name))
        offset += node.own
        for child in kept_children(node, least):
            waiting.append((offset, depth + 1, child))
            offset += child.total
    return FlameGraph(
        names=list(names),
        levels=[Level(values=_values(level, deadline)) for level in deadline.watch(levels)],
        total=root.total,
        max_self=largest_own,
    )


def _values(level: list[tuple[int, Node, int]], deadline: Deadline) -> list[int]:
    values: list[int] = []
    end = 0
    # The last sibling was laid out first.
    for offset, node, name in deadline.watch(reversed(level), PIECE):
        values += (offset - end, node.total, node.own, name)
        end = offset + node.total
    return values


def tree_bytes(root: Node, max_nodes: int = 0, deadline: Deadline = NO_DEADLINE) -> bytes:
    """Serialize a tree as Pyroscope does: for each node its name, its own value and its number of children."""
    if not root.children:
        return b""
    least = least_value(root, max_nodes, deadline)
    steps = deadline.watch(itertools.count(), FEW)
    out = bytearray()
    waiting = [root]
    while waiting:
        next(steps)
        node = waiting.pop()
        name = node.name.encode("utf-8", "replace")
        children = kept_children(node, least)
        out += varint(len(name)) + name + varint(node.own) + varint(len(children))
        waiting.extend(children)
    return bytes(out)


_NOTHING = Node("")
"""In place of a function that one side of a difference lacks."""


@dataclass
class Pair:
    """A function in the call paths of two trees; a side that lacks it has zeros."""

    name: str
    left: Node
    right: Node

    def children(self) -> list[Pair]:
        """Return the children of both sides by name."""
        names = sorted({*self.left.children, *self.right.children})
        return [
            Pair(name, self.left.children.get(name, _NOTHING), self.right.children.get(name, _NOTHING))
            for name in names
        ]

    @property
    def larger(self) -> int:
        """The larger of the two totals."""
        return max(self.left.total, self.right.total)


def _pair_totals(root: Pair, deadline: Deadline) -> list[int]:
    steps = deadline.watch(itertools.count(), FEW)
    totals, waiting = [], [root]
    while waiting:
        next(steps)
        pair = waiting.pop()
        totals.append(pair.larger)
        waiting.extend(pair.children())
    return totals


def difference(left: Node, right: Node, max_nodes: int = 0, deadline: Deadline = NO_DEADLINE) -> FlameGraphDiff:
    """Two trees as the message FlameGraphDiff.

    Each level is a list of groups of seven: offset, total and self of the left side, the same of the right, and an
    index into ``names``.
    """
    root = Pair("", left, right)
    least = largest(_pair_totals(root, deadline), max_nodes) if max_nodes > 0 else 0
    steps = deadline.watch(itertools.count(), FEW)
    names = {TOTAL: 0}
    levels: list[list[tuple[int, int, Pair, int]]] = []
    largest_own = 0
    waiting: list[tuple[int, int, int, Pair]] = [(0, 0, 0, root)]
    while waiting:
        next(steps)
        x_left, x_right, depth, pair = waiting.pop()
        largest_own = max(largest_own, pair.left.own, pair.right.own)
        name = 0 if pair is root else names.setdefault(pair.name, len(names))
        if depth == len(levels):
            levels.append([])
        levels[depth].append((x_left, x_right, pair, name))
        x_left, x_right = x_left + pair.left.own, x_right + pair.right.own
        for child in _kept_pairs(pair, least):
            waiting.append((x_left, x_right, depth + 1, child))
            x_left, x_right = x_left + child.left.total, x_right + child.right.total
    return FlameGraphDiff(
        names=list(names),
        levels=[Level(values=_pair_values(level, deadline)) for level in deadline.watch(levels)],
        total=min(left.total + right.total, LARGEST_INTEGER),
        max_self=largest_own,
        leftTicks=left.total,
        rightTicks=right.total,
    )


def _kept_pairs(pair: Pair, least: int) -> list[Pair]:
    kept, left, right = [], 0, 0
    for child in pair.children():
        if child.larger >= least:
            kept.append(child)
        else:
            left, right = left + child.left.total, right + child.right.total
    return [*kept, Pair(OTHER, Node(OTHER, left, left), Node(OTHER, right, right))] if left or right else kept


def _pair_values(level: list[tuple[int, int, Pair, int]], deadline: Deadline) -> list[int]:
    values: list[int] = []
    end_left = end_right = 0
    for x_left, x_right, pair, name in deadline.watch(reversed(level), PIECE):
        left, right = pair.left, pair.right
        values += (x_left - end_left, left.total, left.own, x_right - end_right, right.total, right.own, name)
        end_left, end_right = x_left + left.total, x_right + right.total
    return values
