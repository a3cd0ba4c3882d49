"""A full disk, a damaged file, a query that takes too long: told, and survived."""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spanprofiles.embedded.deadline import Deadline, QueryTooLongError
from spanprofiles.embedded.store.database import FILE_NAME, Database
from tests.support.conformance.pair import Pair, running_pair
from tests.unit.embedded.conftest import Applications, SpanFactory, applications_on, attributes
from tests.unit.embedded.test_process import spans_of
from tests.unit.embedded.test_profiles import CPU, SPAN, WINDOW, profile, pushed, sample, tree

pytestmark = pytest.mark.slow

MEBIBYTE = 2**20
JSON_TYPE = {"Content-Type": "application/json"}


def large_export(batch: int) -> bytes:
    """Two spans of one trace with some 200 kB that cannot be made smaller."""
    span = SpanFactory(f"{batch + 1:02x}")
    spans = [span(f"span {number}", values={"noise": os.urandom(50_000).hex()}) for number in range(2)]
    return json.dumps(
        {"resourceSpans": [{"resource": {"attributes": attributes({})}, "scopeSpans": [{"spans": spans}]}]}
    ).encode()


def sent(pair: Pair, batch: int) -> tuple[int, bytes]:
    return pair.send("otlp-http", "POST", "/v1/traces", large_export(batch), JSON_TYPE)


def _until_refused(pair: Pair, batches: Iterator[int], kept: set[int]) -> tuple[int, bytes]:
    for batch in batches:
        status, body = sent(pair, batch)
        if status != 200:
            return batch, body
        kept.add(batch)
    raise AssertionError("no room was ever wanting")


def _check_a_full_disk(pair: Pair, make_room: Callable[[], None], *, ready: int) -> None:
    kept: set[int] = set()
    batches = iter(range(250))
    refused, body = _until_refused(pair, batches, kept)
    assert len(kept) > 5
    message = json.loads(body)
    assert message["code"] == 14  # gRPC's UNAVAILABLE: an exporter tries again
    assert "could not be stored" in message["message"]
    assert spans_of(pair, refused) == 0
    assert {spans_of(pair, batch) for batch in kept} == {2}
    assert pair.send("pyroscope", "GET", "/ready")[0] == ready
    make_room()
    assert sent(pair, refused)[0] == 200
    assert {spans_of(pair, batch) for batch in (*kept, refused)} == {2}
    assert pair.send("pyroscope", "GET", "/ready")[0] == 200


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits of another process can be set on Linux alone")
def test_when_files_cannot_grow_ingest_is_refused_and_goes_on_when_they_can(tmp_path: Path) -> None:
    with running_pair(tmp_path) as pair:
        _, hard = resource.prlimit(pair.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pair.process.pid, resource.RLIMIT_FSIZE, (4 * MEBIBYTE, hard))
        _check_a_full_disk(
            pair, lambda: resource.prlimit(pair.process.pid, resource.RLIMIT_FSIZE, (hard, hard)) and None, ready=503
        )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB, where this user may mount one."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "spanprofiles-test", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this user may not mount a small file system; the test beside limits the files' size instead")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def test_when_the_disk_is_full_ingest_is_refused_and_goes_on_when_there_is_room(small_disk: Path) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * (2 * MEBIBYTE))
    with running_pair(small_disk / "data") as pair:
        _check_a_full_disk(pair, filler.unlink, ready=200)


def test_of_a_damaged_file_what_is_whole_is_served_and_the_rest_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database = Database(tmp_path)
    applications = applications_on(database)
    applications.export(SpanFactory("aa")("work"))
    assert pushed(applications, profile(sample("leaf", "main", value=5, span_id=SPAN))) == 200
    page: int = database.reader().execute("SELECT rootpage FROM sqlite_master WHERE name = 'spans'").fetchone()[0]
    size: int = database.reader().execute("PRAGMA page_size").fetchone()[0]
    database.close()
    with (tmp_path / FILE_NAME).open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xa5" * size)

    damaged = Database(tmp_path)
    applications = applications_on(damaged)
    assert tree(applications, spanSelector=[SPAN])["main>leaf"] == (5, 5)
    assert pushed(applications, profile(sample("leaf", "main", value=7, span_id=SPAN))) == 200
    assert tree(applications, spanSelector=[SPAN])["main>leaf"] == (12, 12)
    answer = applications.tempo.get("/api/search?q={}")
    assert (answer.status_code, "malformed" in answer.text) == (500, True)
    assert "could not be read" in caplog.text
    refused = applications.otlp.post("/v1/traces", data=large_export(1), content_type="application/json")
    assert (refused.status_code, "malformed" in refused.text) == (503, True)
    assert tree(applications, spanSelector=[SPAN])["main>leaf"] == (12, 12)
    damaged.close()


@pytest.fixture
def hurried(tmp_path: Path) -> Iterator[Applications]:
    """Applications that give a query no time at all."""
    database = Database(tmp_path, query_timeout_s=-1.0)
    applications = applications_on(database)
    applications.export(SpanFactory("aa")("work"))
    assert pushed(applications, profile(sample("leaf", "main", value=5, span_id=SPAN))) == 200
    yield applications
    database.close()


def test_a_search_that_takes_too_long_is_given_up_as_by_the_real_server(hurried: Applications) -> None:
    answer = hurried.tempo.get("/api/search?q={}")
    assert answer.status_code == 504
    assert answer.text.startswith("context deadline exceeded")


def test_a_merge_that_takes_too_long_is_given_up_with_connects_code(hurried: Applications) -> None:
    body = {"profileTypeID": CPU, "labelSelector": "{}"} | WINDOW
    assert hurried.call("SelectMergeStacktraces", body, expected=504)["code"] == "deadline_exceeded"
    assert hurried.call("SelectSeries", body | {"step": 10}, expected=504)["code"] == "deadline_exceeded"


def test_a_query_in_time_is_answered(applications: Applications) -> None:
    applications.export(SpanFactory("aa")("work"))
    assert applications.search("{ }") == {"aa": ["work"]}


def test_a_statement_that_takes_too_long_is_interrupted_and_the_next_one_runs(tmp_path: Path) -> None:
    database = Database(tmp_path, query_timeout_s=0.05)
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
    began = time.monotonic()
    with database.reading(), pytest.raises(sqlite3.OperationalError, match="interrupted"):
        database.reader().execute(endless).fetchone()
    assert time.monotonic() - began < 5
    with database.reading():
        assert database.reader().execute("SELECT 1").fetchone() == (1,)
    with database.reading(Deadline(-1)), pytest.raises(QueryTooLongError, match=r"--query-timeout"):
        database.reader().deadline.check()
    database.reader().deadline.check()
    database.close()


def test_a_request_sees_one_state_of_the_data_and_the_next_request_the_next(database: Database) -> None:
    applications = applications_on(database)
    count = "SELECT count(*) FROM traces"
    with database.reading():
        assert database.reader().execute(count).fetchone() == (0,)
        applications.export(SpanFactory("aa")("work"))
        assert database.reader().execute(count).fetchone() == (0,)
    assert database.reader().execute(count).fetchone() == (1,)
