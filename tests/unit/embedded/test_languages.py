"""Names of Go's functions, mended as Pyroscope does, where a profile is Go's."""

from __future__ import annotations

import pytest

from spanprofiles.embedded.pyroscope.languages import language_of, without_shapes


@pytest.mark.parametrize(
    ("name", "mended"),
    [
        ("slices.Sort[go.shape.int]", "slices.Sort"),
        ("x[go.shape.[]int].y", "x.y"),
        ("a[go.shape.int,go.shape.string].b[go.shape.struct { X []int }]", "a.b"),
        ("[go.shape.int].Sort", ".Sort"),
        ("slices.Sort[...]", "slices.Sort[...]"),
        ("open[go.shape.int", "open[go.shape.int"),
        ("a[go.shape.int].open[go.shape.x", "a.open[go.shape.x"),
        ("main.main", "main.main"),
    ],
)
def test_the_shapes_of_types_are_left_out_of_go_names(name: str, mended: str) -> None:
    assert list(without_shapes("gospy", ["", name])) == ["", mended]
    assert list(without_shapes("rbspy", ["", name])) == ["", name]


@pytest.mark.parametrize(
    ("spy", "texts", "language"),
    [
        ("gospy", ["app.py"], "go"),
        ("", ["", "cpu", "main.go", "app.py"], "go"),
        ("", ["app.py", "main.go"], "python"),
        ("unknown", ["/usr/local/go/src/x"], "go"),
        ("", ["java/lang/Thread.run"], "java"),
        ("", ["main", "work"], ""),
    ],
)
def test_the_agent_or_else_the_first_known_text_tells_the_language(spy: str, texts: list[str], language: str) -> None:
    assert language_of(spy, texts) == language
