"""What an answer means, whatever its bytes: call trees instead of flame graph levels, sets where order says nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

# How much was read differs between servers, and a timeline's first step depends on the second of the request.
LEFT_OUT = frozenset({"metrics", "timeline"})
ORDERED = frozenset({"points", "slots", "yMin", "counts", "values"})

Path = tuple[str, ...]
Tree = dict[Path, tuple[int, int]]


class Unordered:
    """Members of a list whose order says nothing."""

    def __init__(self, members: Sequence[Any]) -> None:
        self._members = Counter(repr(member) for member in members)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unordered) and self._members == other._members

    def __hash__(self) -> int:
        return hash(frozenset(self._members.items()))

    def __repr__(self) -> str:
        return f"<{', '.join(sorted(self._members.elements()))}>"


def _groups(level: Any, size: int) -> Iterator[list[int]]:
    values = [int(value) for value in (level.get("values", []) if isinstance(level, dict) else level)]
    assert len(values) % size == 0, f"a level of {len(values)} values is not made of groups of {size}"
    for start in range(0, len(values), size):
        yield values[start : start + size]


def call_tree(names: Sequence[str], levels: Sequence[Any]) -> Tree:
    """A flame graph's levels as (total, self) of each call path; a frame lies within the frame that called it."""
    return {path: (total, own) for path, total, own, *_ in _side(names, levels, size=4, offset=0)}


def two_call_trees(names: Sequence[str], levels: Sequence[Any]) -> tuple[Tree, Tree]:
    """Both sides of a difference; a frame is on a side if it has a total there."""
    sides = (_side(names, levels, size=7, offset=offset) for offset in (0, 3))
    left, right = ({path: (total, own) for path, total, own in side if total} for side in sides)
    return left, right


def _side(names: Sequence[str], levels: Sequence[Any], *, size: int, offset: int) -> Iterator[tuple[Path, int, int]]:
    above: list[tuple[int, int, Path]] = [(0, 2**63, ())]
    for level in levels:
        here: list[tuple[int, int, Path]] = []
        position = 0
        for group in _groups(level, size):
            skipped, total, own = group[offset : offset + 3]
            start, end = position + skipped, position + skipped + total
            parents = [path for low, high, path in above if low <= start and end <= high]
            if parents or total:
                path = (*parents[-1 if total else 0], names[group[-1]])
                if total or not above[0][2]:
                    here.append((start, end, path))
                    yield path, total, own
            position = end
        above = here


def stack_values(profile: dict[str, Any]) -> dict[str, Any]:
    """A pprof profile in JSON as the values of each stack, root first, and the types of the values."""
    strings = profile["stringTable"]
    functions = {function["id"]: strings[int(function.get("name", 0))] for function in profile.get("function", [])}
    locations = {
        location["id"]: [functions[line["functionId"]] for line in location.get("line", [])]
        for location in profile.get("location", [])
    }
    stacks: dict[Path, list[int]] = {}
    for sample in profile.get("sample", []):
        leaf_first = [name for number in sample.get("locationId", []) for name in locations[number]]
        values = [int(value) for value in sample.get("value", [])]
        known = stacks.get(tuple(reversed(leaf_first)), [0] * len(values))
        stacks[tuple(reversed(leaf_first))] = [sum(pair) for pair in zip(known, values, strict=True)]
    types = [(strings[int(kind.get("type", 0))], strings[int(kind.get("unit", 0))]) for kind in profile["sampleType"]]
    return {"types": types, "stacks": {path: stacks[path] for path in sorted(stacks)}}


def _meaning_of_graph(graph: dict[str, Any]) -> Any:
    names, levels = graph.get("names", []), graph.get("levels", [])
    sizes = {len(level.get("values", [])) % 7 for level in levels if isinstance(level, dict)}
    if "leftTicks" in graph or "rightTicks" in graph:
        assert sizes == {0}
        left, right = two_call_trees(names, levels)
        return {
            "left": _sorted(left),
            "right": _sorted(right),
            "ticks": (graph.get("leftTicks"), graph.get("rightTicks")),
        }
    total = graph.get("total", graph.get("numTicks", 0))
    return {"tree": _sorted(call_tree(names, levels)), "total": int(total)}


def _sorted(tree: Tree) -> Tree:
    return {path: tree[path] for path in sorted(tree)}


def meaning_of(value: Any, key: str = "") -> Any:
    """The meaning of a JSON value, to be compared with `==`."""
    if isinstance(value, dict):
        if "names" in value and "levels" in value:
            return _meaning_of_graph(value)
        if "stringTable" in value:
            return stack_values(value)
        return {name: meaning_of(value[name], name) for name in sorted(value) if name not in LEFT_OUT}
    if isinstance(value, list):
        members = [meaning_of(member) for member in value]
        return members if key in ORDERED else Unordered(members)
    # JSON has one kind of number: 2 and 2.0 are the same.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def meaning_of_answer(status: int, text: str, *, counted: bool = False) -> Any:
    """The meaning of an answer: of an error its code alone, if it has one, since its wording is for people."""
    try:
        document = json.loads(text)
    except ValueError:
        return "an error without a code" if status >= 400 else text.strip()
    if status >= 400:
        code = document.get("code") if isinstance(document, dict) else None
        return {"code": code} if code is not None else "an error without a code"
    if counted:
        return len(document["traces"])
    return meaning_of(document)


def meaning_of_series(status: int, answer: bytes) -> Any:
    """What the answer to a metrics query means: its series and their values; exemplars are chosen at random."""
    if status != 200:
        return status
    document = json.loads(answer, parse_int=float)  # JSON has one kind of number
    found = [
        (
            sorted((label["key"], repr(label["value"])) for label in series["labels"]),
            [(sample["timestampMs"], _rounded(sample.get("value", 0))) for sample in series["samples"]]
            if "samples" in series
            else _rounded(series.get("value", 0)),
        )
        for series in document.get("series", [])
    ]
    return document.get("status", "COMPLETE"), sorted(found, key=repr)


def _rounded(value: Any) -> Any:
    """A number to nine digits, since sums of floats depend on their order."""
    return value if isinstance(value, str) else float(f"{value:.9g}")
