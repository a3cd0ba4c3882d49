from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.bad_requests import BAD_REQUESTS, BadRequest
from loadgen.settings import Settings, SettingsError
from loadgen.slowest import SlowestRequests, SlowRequest, format_table, write_report
from loadgen.traceparent import new_trace_parent
from rideshare.app import create_app
from rideshare.regions import REGIONS
from rideshare.settings import Settings as RideshareSettings


def slow(response_ms: float, trace_id: str = "0" * 31 + "1", status: int = 200) -> SlowRequest:
    return SlowRequest(response_ms, trace_id, "/bike", "http://127.0.0.1:5001/bike", status, 1.5)


slow_requests = st.builds(slow, st.floats(0, 1e5), st.text("0123456789abcdef", min_size=32, max_size=32))


def test_a_trace_parent_is_well_formed_sampled_and_random() -> None:
    parents = [new_trace_parent() for _ in range(100)]
    for parent in parents:
        assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", parent.header)
        assert parent.trace_id in parent.header
        assert parent.trace_id != "0" * 32
    assert len({parent.trace_id for parent in parents}) == 100


@given(st.lists(slow_requests, max_size=40), st.integers(1, 10))
def test_the_slowest_are_kept_slowest_first_and_no_more_than_the_limit(requests: list[SlowRequest], limit: int) -> None:
    slowest = SlowestRequests(limit)
    slowest.add_all(requests)
    assert slowest.slowest_first() == sorted(requests, reverse=True)[:limit]


@given(st.lists(slow_requests, max_size=40), st.integers(1, 10), st.integers(1, 4))
def test_what_several_workers_hand_over_gives_the_same_as_one_process(
    requests: list[SlowRequest], limit: int, workers: int
) -> None:
    master, alone = SlowestRequests(limit), SlowestRequests(limit)
    alone.add_all(requests)
    for worker in range(workers):
        mine = SlowestRequests(limit)
        mine.add_all(requests[worker::workers])
        messages = [request.to_message() for request in mine.take()]
        assert mine.slowest_first() == []
        master.add_all([SlowRequest.from_message(message) for message in messages])
    assert master.slowest_first() == alone.slowest_first()


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        SlowestRequests(0)


@pytest.mark.parametrize("message", [{}, {"response_ms": None}, {**slow(1.0).to_message(), "status": "many"}])
def test_a_message_that_is_no_slow_request_is_refused(message: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"not a slow request|invalid literal"):
        SlowRequest.from_message(message)


def test_the_table_has_a_line_for_each_request_with_time_status_and_trace_id() -> None:
    table = format_table([slow(1234.56, "a" * 32), slow(9.0, "b" * 32, status=0)]).splitlines()
    assert table[0] == "Slowest requests"
    assert table[2].split() == ["1234.6", "200", "/bike", "a" * 32, "http://127.0.0.1:5001/bike"]
    assert table[3].split() == ["9.0", "none", "/bike", "b" * 32, "http://127.0.0.1:5001/bike"]
    assert len(table) == 4


def test_the_table_of_nothing_says_so() -> None:
    assert format_table([]) == "Slowest requests: there were none"


def test_a_report_can_be_read_back_and_replaces_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")
    write_report(path, [slow(2.0), slow(1.0)])
    read = [SlowRequest.from_message(message) for message in json.loads(path.read_text())["slowest"]]
    assert read == [slow(2.0), slow(1.0)]
    assert list(tmp_path.iterdir()) == [path]


def test_a_report_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "report.json"
    folder.mkdir()
    with pytest.raises(OSError, match=r"report\.json"):
        write_report(folder, [slow(1.0)])
    assert list(tmp_path.iterdir()) == [folder]


def test_settings_come_from_the_environment(tmp_path: Path) -> None:
    assert Settings.from_environment({}) == Settings()
    environment = {
        "LOADGEN_URLS": "http://127.0.0.1:5001/, http://127.0.0.1:5002",
        "LOADGEN_SLOWEST": "3",
        "LOADGEN_REPORT": str(tmp_path / "report.json"),
        "LOADGEN_MOST_RIDERS": "200",
        "LOADGEN_PAGE_HOSTS": "Loadgen, 10.0.0.1",
        "LOADGEN_MORE_URLS": "http://us-west:5000/,",
    }
    assert Settings.from_environment(environment) == Settings(
        ("http://127.0.0.1:5001", "http://127.0.0.1:5002"),
        3,
        tmp_path / "report.json",
        200,
        ("loadgen", "10.0.0.1"),
        ("http://us-west:5000",),
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOADGEN_URLS", "127.0.0.1:5001"),
        ("LOADGEN_URLS", "http://127.0.0.1:5001,ftp://x"),
        ("LOADGEN_MORE_URLS", "us-west"),
        ("LOADGEN_SLOWEST", "0"),
        ("LOADGEN_SLOWEST", "1001"),
        ("LOADGEN_SLOWEST", "all"),
        ("LOADGEN_MOST_RIDERS", "0"),
        ("LOADGEN_MOST_RIDERS", "10001"),
        ("LOADGEN_PAGE_HOSTS", "http://loadgen"),
        ("LOADGEN_PAGE_HOSTS", "loadgen,*"),
        ("LOADGEN_REPORT", "/"),
        ("LOADGEN_REPORT", "/nowhere/at/all.json"),
    ],
)
def test_a_bad_setting_is_refused_with_its_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.from_environment({name: value})


@pytest.mark.parametrize("region", REGIONS)
def test_rideshare_refuses_every_bad_request_and_names_the_culprit(region: str) -> None:
    client = create_app(RideshareSettings(region=REGIONS[region])).test_client()

    def named(bad: BadRequest) -> tuple[int, str]:
        response = client.get(bad.path, query_string=bad.parameters)
        assert response.json is not None
        return response.status_code, response.json["error"]["parameter"]

    assert [named(bad) for bad in BAD_REQUESTS] == [(400, bad.culprit) for bad in BAD_REQUESTS]
