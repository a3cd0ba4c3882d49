"""Which tests can run side by side, and come to what they come to in turn."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanprofiles.workshop.exercise import exercise_of
from spanprofiles.workshop.independence import share_nothing

PLAIN = '''
"""Where the post office spends its time."""
import json
from spanprofiles import FlameGraph
import pytest

STAMPS = LEAST = (30, -1 + 2)

def is_answered(trace): return bool(trace.local_roots)

@pytest.mark.parametrize("count", [20, 30])
def test_stamps(post_office, span_profiles, count, least=0.5, *, most=(1, 2)):
    total = FlameGraph()
    for _ in range(count):
        total += span_profiles.flamegraph(post_office.get("/stamp"))
    assert total.total_of("print_stamp") > total.total / 2

async def test_letter(post_office): assert post_office.get("/letter").ok
'''


def may_share(folder: Path, text: str) -> bool:
    (folder / "test_shop.py").write_text(text, encoding="utf-8")
    (folder / "helpers.py").write_text("", encoding="utf-8")
    (folder / "post_office.py").write_text("app = []", encoding="utf-8")
    return not share_nothing(folder)


def test_plain_functions_share_nothing(tmp_path: Path) -> None:
    assert not may_share(tmp_path, PLAIN)


@pytest.mark.parametrize(
    "text",
    [
        "seen = []\n",
        "seen: list[int] = []\n",
        "first = second = dict()\n",
        "count = 0\ndef test_a(shop):\n    global count\n    count += 1\n",
        "def test_a(shop, seen=[]): seen.append(shop)\n",
        "def test_a(shop, *, seen={}): seen[1] = shop\n",
        "def test_a(shop): test_a.seen = shop\n",
        "import os\ndef test_a(shop): os.environ['SEEN'] = '1'\n",
        "import os\ndef test_a(shop): del os.environ['SEEN']\n",
        "import pytest\n@pytest.fixture(scope='module')\ndef stamps(shop): return [shop.get('/stamp')]\n",
        "class TestShop:\n    def test_a(self, shop): pass\n",
        "import helpers\n",
        "import os, helpers.more\n",
        "from helpers import seen\n",
        "from . import seen\n",
        "from post_office import app\n",
        "def test_a(shop):\n    import helpers\n",
        "for name in 'ab': pass\n",
        "(seen := [])\n",
        "def test_a(shop)\n",
        "def test_a(shop): pass\n\0",
    ],
)
def test_what_may_be_shared_keeps_tests_together(tmp_path: Path, text: str) -> None:
    assert may_share(tmp_path, PLAIN + text)


def test_one_file_of_several_is_enough_to_keep_them_together(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "test_more.py").write_text("seen = []\n", encoding="utf-8")

    assert may_share(tmp_path, PLAIN)


@pytest.mark.parametrize("text", [None, *(patch.name for patch in exercise_of(6).solutions)])
def test_the_sixth_exercises_tests_share_nothing(tmp_path: Path, text: str | None) -> None:
    exercise = exercise_of(6)
    files = dict(exercise.given)
    for patch in exercise.solutions:
        if patch.name == text:
            files |= exercise.attempted(patch)
    for name, written in files.items():
        (tmp_path / name).write_text(written, encoding="utf-8")

    assert share_nothing(tmp_path)
