"""What the mutation tests' command makes of a survivor, and how sure its share is."""

from __future__ import annotations

import re

import pytest

from bench.mutants import ROOMS, ROOT, Survivors, changed_lines, interval

DIFFERENCE = """\
# spanprofiles.model.sampling.x_is_too_short__mutmut_1: survived
--- src/spanprofiles/model/sampling.py
+++ src/spanprofiles/model/sampling.py
@@ -7,4 +7,4 @@
     Args:
         duration_ns: how long it lasted, ns.
     \"\"\"
-    return duration_ns < TOO_SHORT_NS
+    return duration_ns <= TOO_SHORT_NS
"""


def test_a_survivor_is_known_by_its_changed_lines_wherever_they_stand() -> None:
    changed = "- return duration_ns < TOO_SHORT_NS\n+ return duration_ns <= TOO_SHORT_NS"
    assert changed_lines(DIFFERENCE) == changed
    assert changed_lines(DIFFERENCE.replace("\n-    ", "\n-        ").replace("\n+    ", "\n+        ")) == changed


def test_each_survivor_that_may_live_has_its_reason() -> None:
    survivors = Survivors.listed()
    assert all(change and reason for change, reason in survivors.changes.items())
    assert all(pattern.pattern and reason for pattern, reason in survivors.kinds.items())


def test_a_survivor_may_live_by_its_lines_or_by_its_kind() -> None:
    survivors = Survivors({"- a\n+ b": "..."}, {re.compile(r"- (.*), PIECE\)\n\+ \1, \)"): "..."})
    assert survivors.may_live("- a\n+ b")
    assert survivors.may_live("- watch(spans, PIECE)\n+ watch(spans, )")
    assert not survivors.may_live("- watch(spans, PIECE)\n+ watch(None, )")
    assert not survivors.may_live("- a\n+ c")


@pytest.mark.parametrize(
    ("changed", "may_live"),
    [
        ("- for view in deadline.watch(views, PIECE):\n+ for view in deadline.watch(views, ):", True),
        ("- for view in deadline.watch(views, PIECE):\n+ for view in deadline.watch(None, PIECE):", False),
        ('- "SELECT id FROM spans WHERE id = ?"\n+ "select id from spans where id = ?"', True),
        ('- "SELECT id FROM spans WHERE id = ?"\n+ "XXSELECT id FROM spans WHERE id = ?XX"', False),
        ('- {"where": "Here"}\n+ {"where": "here"}', False),
        ('- read_text(encoding="utf-8")\n+ read_text(encoding="UTF-8")', True),
        ('- read_text(encoding="utf-8")\n+ read_text(encoding=None)', False),
        ('- Interner("paths", ("functions",))\n+ Interner("paths", ("FUNCTIONS",))', True),
        ('- Interner("paths", ("functions",))\n+ Interner("paths", ("XXfunctionsXX",))', False),
        ("- sqlite3.connect(name, uri=True, timeout=1)\n+ sqlite3.connect(name, timeout=1)", True),
        ("- sqlite3.connect(name, uri=True, timeout=1)\n+ sqlite3.connect(name, uri=True, timeout=2)", False),
        ('- logger.warning("%s", error)\n+ logger.warning(error)', True),
        ('- logger.warning("%s", error)\n+ logger.warning("%s", None)', False),
        ("- zip(a, b, strict=True)\n+ zip(a, b, strict=False)", True),
        ("- zip(a, b, strict=True)\n+ zip(a, strict=True)", False),
    ],
)
def test_kinds_of_survivors_are_no_wider_than_their_reasons(changed: str, may_live: bool) -> None:
    assert Survivors.listed().may_live(changed) == may_live


@pytest.mark.parametrize(("noticed", "tried", "low", "high"), [(90, 100, 0.826, 0.945), (10, 10, 0.722, 1.0)])
def test_a_share_has_wilsons_interval(noticed: int, tried: int, low: float, high: float) -> None:
    assert interval(noticed, tried) == pytest.approx((low, high), abs=0.001)


def test_the_tests_of_every_room_are_there() -> None:
    assert [path for room in ROOMS.values() for path in room.tests if not (ROOT / path).exists()] == []


def test_a_part_of_a_room_keeps_the_tests_of_the_whole() -> None:
    room = ROOMS["embedded"]
    part = room.only(["traceql/*", "parser.py"])
    assert part.sources == ("spanprofiles/embedded/traceql/*", "spanprofiles/embedded/parser.py")
    assert part.tests == room.tests
    assert room.only([]) == room
