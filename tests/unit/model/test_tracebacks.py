"""Tracebacks are told from what else a program prints."""

from __future__ import annotations

import subprocess
import sys

import pytest

from spanprofiles.model.tracebacks import tracebacks

_RAISES = "def fail(): raise KeyError('title')"
_LOGS = "import logging; logging.basicConfig(); log = logging.getLogger('shop')"


def _printed_by(code: str) -> list[str]:
    command = [sys.executable, "-X", "faulthandler", "-c", code]
    return subprocess.run(
        command, stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True, check=False
    ).stdout.splitlines()


def test_a_traceback_is_told_from_the_lines_around_it() -> None:
    handled = "try: fail()\nexcept KeyError: log.exception('no title')"
    code = f"{_RAISES}\n{_LOGS}\nlog.error('before')\n{handled}\nlog.error('after')"

    (found,) = tracebacks(_printed_by(code))

    assert found[0] == "Traceback (most recent call last):"
    assert found[-1] == "KeyError: 'title'"


@pytest.mark.parametrize("because", ["from error", ""])
def test_errors_that_came_of_one_another_are_one_traceback(because: str) -> None:
    code = f"{_RAISES}\ntry: fail()\nexcept KeyError as error: raise OSError('not found') {because}"

    (found,) = tracebacks([*_printed_by(code), "", "another line"])

    assert "KeyError: 'title'" in found
    assert found[-1] == "OSError: not found"


def test_two_tracebacks_are_two() -> None:
    code = f"{_RAISES}\n{_LOGS}\nfor _ in range(2):\n  try: fail()\n  except KeyError: log.exception('no title')"

    first, second = tracebacks(_printed_by(code))

    assert first == second


def test_the_prefix_of_a_supervisor_stands_before_each_line() -> None:
    lines = [f"web-1  | {line}" for line in ["ready", *_printed_by(f"{_RAISES}\nfail()"), "restarting"]]

    (found,) = tracebacks(lines)

    assert found[-1] == "web-1  | KeyError: 'title'"


def test_an_error_of_the_syntax_is_one() -> None:
    (found,) = tracebacks(
        ["Traceback (most recent call last):", '  File "a.py", line 1', "    if", "      ^", "SyntaxError: x"]
    )

    assert found[-1] == "SyntaxError: x"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="groups of exceptions are of Python 3.11")
def test_a_group_of_errors_is_one_traceback() -> None:
    code = "raise ExceptionGroup('both', [OSError('first'), ExceptionGroup('more', [ValueError('second')])])"

    (found,) = tracebacks([*_printed_by(code), "after"])

    text = "\n".join(found)
    assert "OSError: first" in text
    assert "ValueError: second" in text
    assert "after" not in text


def test_a_crash_in_c_is_one() -> None:
    (found,) = tracebacks(["ready", *_printed_by("import ctypes; ctypes.string_at(0)")])

    assert found[0] == "Fatal Python error: Segmentation fault"
    assert any("string_at" in line for line in found)


_JAVA = """\
Exception in thread main java.lang.IllegalStateException: no
\tat a.B.c(B.java:1)
Caused by: d.E: f
\tat g.h(I.java:2)
\t... 3 more"""
_NODE = """\
TypeError: x is not a function
    at f (/app/a.js:1:2)
    at node:internal/main:3:4"""
_GO = """\
panic: runtime error: index out of range

goroutine 1 [running]:
main.main()
\t/app/main.go:5 +0x1d
exit status 2"""


@pytest.mark.parametrize("printed", [_JAVA, _NODE, _GO], ids=["java", "node", "go"])
def test_those_of_other_languages_are_told_too(printed: str) -> None:
    assert tracebacks(["ready", *printed.splitlines(), "after"]) == [tuple(printed.splitlines())]


@pytest.mark.parametrize(
    "printed",
    [
        ("Error: no", "    at f (/app/a.js:1:2)"),
        ("panic: no",),
        ("Fatal Python error: Aborted",),
        ("Traceback (most recent call last):", "KeyError: 'title'"),
    ],
    ids=["node", "go", "c", "python"],
)
def test_the_shortest_traceback_ends_where_the_next_line_begins(printed: tuple[str, ...]) -> None:
    assert tracebacks(["ready", *printed, "after"]) == [printed]


_FIRST = ("Traceback (most recent call last):", '  File "a.py", line 1', "KeyError: 'title'")
_SENTENCE = "During handling of the above exception, another exception occurred:"
_SECOND = ("Traceback (most recent call last):", '  File "a.py", line 2', "OSError: not found")


@pytest.mark.parametrize("before", [(), ("",)], ids=["at once", "after an empty line"])
@pytest.mark.parametrize("after", [(), ("",)], ids=["at once", "after an empty line"])
def test_errors_that_came_of_one_another_may_stand_close_together(
    before: tuple[str, ...], after: tuple[str, ...]
) -> None:
    printed = (*_FIRST, *before, _SENTENCE, *after, *_SECOND)

    assert tracebacks(printed) == [printed]


@pytest.mark.parametrize(
    ("before", "after"), [(("", ""), ("",)), (("",), ("", ""))], ids=["the sentence", "the second error"]
)
def test_what_stands_further_away_is_another_traceback(before: tuple[str, ...], after: tuple[str, ...]) -> None:
    assert tracebacks([*_FIRST, *before, _SENTENCE, *after, *_SECOND]) == [_FIRST, _SECOND]


def test_a_traceback_that_other_output_cuts_short_takes_a_line_of_it_for_its_error() -> None:
    printed = ["Traceback (most recent call last):", '  File "a.py", line 1', "+--- a table ---+", "| of figures"]

    assert tracebacks(printed) == [tuple(printed[:3])]


def test_where_there_is_none_none_is_found() -> None:
    assert tracebacks([]) == []
    assert tracebacks(["ready", "  at noon", "no Traceback here", "  indented"][:1]) == []
    assert tracebacks(["the words Traceback (most recent call last): in a sentence"]) == []


def test_the_empty_lines_after_a_traceback_are_not_of_it() -> None:
    panic = ["panic: no bike", "", "goroutine 1 [running]:", "main.main()", "\tbike.go:5 +0x1d"]

    assert tracebacks([*panic, "", "", "ready"]) == [tuple(panic)]
    assert tracebacks(panic) == [tuple(panic)]
