"""What is old, or too much, goes; what stays is whole, and what comes again is found again."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from spanprofiles.embedded.settings import parse_age, parse_size
from spanprofiles.embedded.store import retention
from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.store.database import Database
from spanprofiles.embedded.store.retention import Limits, Retention
from tests.support.clocks import Clock, eventually
from tests.unit.embedded.conftest import Applications, SpanFactory, applications_on
from tests.unit.embedded.test_profiles import SPAN, profile, pushed, sample, tree

MEBIBYTE = 2**20
DANGLING = (
    "SELECT count(*) FROM spans WHERE trace NOT IN (SELECT id FROM traces)",
    "SELECT count(*) FROM spans WHERE resource NOT IN (SELECT id FROM resources)",
    "SELECT count(*) FROM spans WHERE scope NOT IN (SELECT id FROM scopes)",
    "SELECT count(*) FROM trace_attributes WHERE trace NOT IN (SELECT id FROM traces)",
    "SELECT count(*) FROM trace_attributes WHERE attribute NOT IN (SELECT id FROM attributes)",
    "SELECT count(*) FROM attributes WHERE id NOT IN (SELECT attribute FROM trace_attributes)",
    "SELECT count(*) FROM profiles WHERE series NOT IN (SELECT id FROM series)",
    "SELECT count(*) FROM span_samples WHERE profile NOT IN (SELECT id FROM profiles)",
    "SELECT count(*) FROM stacks WHERE id NOT IN (SELECT id FROM profiles)",
    "SELECT count(*) FROM profiles WHERE upload != 0 AND upload NOT IN (SELECT id FROM stacks)",
)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(retention, "CHECK_S", 0.01)
    return Clock(time.time())


@pytest.fixture
def day(tmp_path: Path, clock: Clock) -> Iterator[tuple[Database, Applications]]:
    """A store that keeps everything for 100 s."""
    database = Database(tmp_path / "data", Limits(age_s=100), clock=clock)
    yield database, applications_on(database)
    database.close()


def data_tables(database: Database) -> list[str]:
    """All tables but those in which the store and SQLite keep account."""
    named = database.reader().execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return [name for (name,) in named if name not in {"arrivals", "sqlite_sequence"}]


def rows(database: Database, table: str) -> int:
    count: int = database.reader().execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608  # of this module
    return count


def export(applications: Applications, digits: str, **values: str) -> None:
    """A trace of three spans, in a service of its own."""
    span = SpanFactory(digits)
    spans = [span(f"{digits} {name}", values=values) for name in ("a", "b", "c")]
    applications.export(*spans, resource={"service.name": f"service {digits}"}, scope=f"scope {digits}")


def nothing_dangles(database: Database) -> bool:
    with database.reading():
        return all(database.reader().execute(select).fetchone()[0] == 0 for select in DANGLING)


def test_what_is_too_old_goes_and_what_is_not_stays_whole(day: tuple[Database, Applications], clock: Clock) -> None:
    database, applications = day
    export(applications, "aa", only="the old one")
    assert pushed(applications, profile(sample("old leaf", "main", value=3, span_id=SPAN)), region="old") == 200
    clock.now_s += 60
    export(applications, "bb", only="the recent one")
    assert pushed(applications, profile(sample("leaf", "main", value=5, span_id=SPAN)), region="recent") == 200
    clock.now_s += 60
    eventually(lambda: rows(database, "arrivals") == 1)
    assert applications.search("{ }") == {"bb": ["bb a", "bb b", "bb c"]}
    assert applications.tempo.get(f"/api/traces/{'aa' * 16}").status_code == 404
    assert applications.search('{ span.only = "the old one" }') == {}
    assert tree(applications, spanSelector=[SPAN]) == {"": (5, 0), "main": (5, 0), "main>leaf": (5, 5)}
    values = applications.tempo.get("/api/v2/search/tag/span.only/values").get_json()["tagValues"]
    assert [value["value"] for value in values] == ["the recent one"]
    assert {table: rows(database, table) for table in ("resources", "scopes", "series", "stacks", "profiles")} == {
        "resources": 1,
        "scopes": 1,
        "series": 1,
        "stacks": 1,
        "profiles": 1,
    }
    assert nothing_dangles(database)


def test_what_is_not_too_old_stays(day: tuple[Database, Applications], clock: Clock) -> None:
    database, applications = day
    export(applications, "aa")
    for _ in range(5):
        clock.now_s += 19
        export(applications, "bb")
    assert set(applications.search("{ }")) == {"aa", "bb"}
    assert rows(database, "arrivals") > 1


def test_when_everything_is_too_old_everything_goes_and_the_same_can_come_again(
    day: tuple[Database, Applications], clock: Clock
) -> None:
    database, applications = day
    for _ in range(3):
        export(applications, "aa", shared="value")
        assert pushed(applications, profile(sample("leaf", "main", value=5, span_id=SPAN))) == 200
        assert applications.search('{ span.shared = "value" }') == {"aa": ["aa a", "aa b", "aa c"]}
        assert tree(applications, spanSelector=[SPAN])["main>leaf"] == (5, 5)
        clock.now_s += 200
        eventually(lambda: not any(rows(database, table) for table in data_tables(database)))
        assert applications.search("{ }") == {}
        assert tree(applications, spanSelector=[SPAN]) == {"": (0, 0)}


def test_what_is_used_again_stays_though_it_first_came_long_ago(
    day: tuple[Database, Applications], clock: Clock
) -> None:
    database, applications = day
    for number in range(8):
        applications.export(SpanFactory(f"{number + 1:02x}")("work", values={"shared": "value"}))
        assert pushed(applications, profile(sample("leaf", "main", value=5, span_id=SPAN))) == 200
        clock.now_s += 40
    eventually(lambda: rows(database, "arrivals") == 2)
    assert len(applications.search('{ span.shared = "value" && resource.service.name = "shop" }')) == 2
    assert tree(applications, spanSelector=[SPAN])["main>leaf"][0] == 10
    assert nothing_dangles(database)


def test_a_clock_that_is_set_back_makes_nothing_old(day: tuple[Database, Applications], clock: Clock) -> None:
    database, applications = day
    export(applications, "aa")
    clock.now_s -= 10_000
    export(applications, "bb")
    clock.now_s += 10_020
    export(applications, "cc")
    eventually(lambda: rows(database, "arrivals") >= 2)
    assert set(applications.search("{ }")) == {"aa", "bb", "cc"}


def test_what_came_while_the_clock_was_ahead_is_kept_no_longer_than_all_else(
    day: tuple[Database, Applications], clock: Clock
) -> None:
    database, applications = day
    clock.now_s += 10**8
    export(applications, "aa")
    clock.now_s -= 10**8
    export(applications, "bb")
    clock.now_s += 60
    export(applications, "cc")
    assert set(applications.search("{ }")) == {"aa", "bb", "cc"}
    clock.now_s += 60
    eventually(lambda: set(applications.search("{ }")) == {"cc"})
    assert rows(database, "arrivals") >= 1


def test_a_clock_that_was_ahead_before_the_start_keeps_nothing_for_ever(tmp_path: Path, clock: Clock) -> None:
    clock.now_s += 10**8
    before = Database(tmp_path, Limits(age_s=100), clock=clock)
    export(applications_on(before), "aa")
    before.close()
    clock.now_s -= 10**8
    database = Database(tmp_path, Limits(age_s=100), clock=clock)
    applications = applications_on(database)
    export(applications, "bb")
    assert set(applications.search("{ }")) == {"aa", "bb"}
    clock.now_s += 120
    eventually(lambda: applications.search("{ }") == {})
    database.close()


def test_while_a_clock_is_behind_what_is_old_goes_all_the_same(
    day: tuple[Database, Applications], clock: Clock
) -> None:
    database, applications = day
    export(applications, "aa")
    clock.now_s -= 10_000
    export(applications, "bb")
    clock.now_s += 80
    export(applications, "cc")
    clock.now_s += 80
    eventually(lambda: set(applications.search("{ }")) == {"cc"})
    eventually(lambda: nothing_dangles(database))  # a sweep goes on when a search sees no more of it


@pytest.mark.slow
def test_the_size_is_kept_to_by_removing_the_oldest(tmp_path: Path, clock: Clock) -> None:
    limit = 2 * MEBIBYTE
    database = Database(tmp_path, Limits(size_bytes=limit), clock=clock)
    applications = applications_on(database)
    largest = 0
    for number in range(250):
        span = SpanFactory(f"{number + 1:02x}")
        noise = {f"noise {part}": os.urandom(500).hex() for part in range(20)}
        applications.export(span(f"span {number}", values=noise))
        largest = max(largest, database.path.stat().st_size)
    eventually(lambda: nothing_dangles(database))
    kept = sorted(int(digits, 16) for digits in applications.search("{ }", limit=1000))
    assert kept == list(range(kept[0], 251))
    assert 10 < len(kept) < 200
    assert largest < 1.5 * limit
    database.close()


@pytest.mark.slow
def test_space_that_is_no_longer_needed_is_given_back(tmp_path: Path, clock: Clock) -> None:
    database = Database(tmp_path, Limits(age_s=100), clock=clock)
    applications = applications_on(database)
    for number in range(60):
        span = SpanFactory(f"{number + 1:02x}")
        applications.export(span("span", values={f"noise {part}": os.urandom(2_000).hex() for part in range(20)}))
    clock.now_s += 300
    # The file shrinks when what the log has is copied into it.
    eventually(lambda: rows(database, "traces") == 0)
    eventually(lambda: int(database.reader().execute("PRAGMA page_count").fetchone()[0]) < 700)
    database.close()
    assert database.path.stat().st_size < 3 * MEBIBYTE


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1_800), ("48h", 172_800), ("7d", 604_800), ("0", 0)]
)
def test_an_age_is_written_with_its_unit(text: str, seconds: float) -> None:
    assert parse_age(text) == seconds


@pytest.mark.parametrize(("text", "size"), [("500MB", 500_000_000), ("2GiB", 2**31), ("1.5 gib", 3 * 2**29), ("0", 0)])
def test_a_size_is_written_with_its_unit(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "48", "h", "-1h", "1y", "1h30m", "nan", "1e9s"])
def test_what_is_no_age_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="write it like 90s"):
        parse_age(text)


@pytest.mark.parametrize("text", ["", "2 giga", "-1GB", "GB", "1TB9", "inf"])
def test_what_is_no_size_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="write it like 500MB"):
        parse_size(text)


def test_a_size_too_small_to_work_in_is_refused() -> None:
    with pytest.raises(ValueError, match="the least is 32MiB"):
        parse_size("1MB")


@pytest.mark.parametrize(("size_bytes", "at_once"), [(0, False), (1, True), (100 * MEBIBYTE, False)])
def test_only_what_is_far_too_large_is_swept_without_a_pause(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, size_bytes: int, at_once: bool
) -> None:
    database = Database(tmp_path, clock=clock)
    export(applications_on(database), "aa")
    database.close()
    clock.now_s += 1000
    monkeypatch.setattr(retention, "BUDGET_S", 0.0)
    connection = sqlite3.connect(database.path, isolation_level=None, factory=StoreConnection)
    with closing(connection):
        sweeper = Retention(connection, Limits(age_s=100, size_bytes=size_bytes), clock=clock)
        sweeper.work()
        left = connection.execute("SELECT count(*) FROM traces").fetchone()[0]
        assert (left, sweeper.patience == 0.0) == ((0, False) if at_once else (1, True))
