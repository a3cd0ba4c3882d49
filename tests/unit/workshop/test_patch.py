"""Patches: how solutions and wrong attempts are written down."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanprofiles.workshop.patch import PatchError, difference, patched

_TEXTS = st.lists(st.sampled_from(["a", "b", "c", "", "--- x", "+++ y", "@@"]), max_size=12).map(
    lambda lines: "".join(f"{line}\n" for line in lines)
)


@given(before=_TEXTS, after=_TEXTS)
def test_the_difference_of_two_texts_turns_the_one_into_the_other(before: str, after: str) -> None:
    patch = difference("app.py", before, after)

    assert (patched({"app.py": before}, patch) if patch else {"app.py": before}) == {"app.py": after}


def test_a_patch_makes_files_that_are_not_there() -> None:
    patch = "must say: x\n--- /dev/null\n+++ b/sub/answer.txt\n@@ -0,0 +1 @@\n+forty-two\n"

    assert patched({"app.py": "x\n"}, patch) == {"sub/answer.txt": "forty-two\n"}


def test_a_patch_of_several_files_changes_each() -> None:
    files = {"one.py": "1\n2\n", "two.py": "3\n"}
    patch = difference("one.py", files["one.py"], "1\n") + difference("two.py", "3\n", "4\n")

    assert patched(files, patch) == {"one.py": "1\n", "two.py": "4\n"}


@pytest.mark.parametrize(
    ("patch", "problem"),
    [
        ("no patch at all", "there is no '--- a/FILE'"),
        (
            "--- a/app.py\n+++ b/app.py\n@@ -1 +1 @@\n-other\n+new\n",
            "app.py: the lines from 1 are not",
        ),
        ("--- a/app.py\n+++ b/app.py\n@@ -1,9 +1 @@\n-first\n+new\n", "app.py: a part has not as many lines"),
        ("--- a/app.py\n+++ b/app.py\nrubbish\n", "app.py: 'rubbish' is not a line of a unified diff"),
    ],
)
def test_a_patch_that_does_not_fit_says_where(patch: str, problem: str) -> None:
    with pytest.raises(PatchError, match=problem.replace("(", r"\(")):
        patched({"app.py": "first\n"}, patch)


def test_a_file_that_ends_without_a_line_break_has_a_difference_that_says_so() -> None:
    assert difference("app.py", "one", "two\n").splitlines()[-3:] == ["-one", "\\ No newline at end of file", "+two"]
