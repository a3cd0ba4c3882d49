"""The requests of an experiment: what a file may hold, and what it says of a line that is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanprofiles.experiment.errors import ExperimentError
from spanprofiles.experiment.request_list import MOST_REQUESTS, ListedRequest, parse_requests, read_requests


def test_lines_are_paths_or_methods_with_paths_and_bodies() -> None:
    lines = [
        "# a comment",
        "",
        "/search?title=wite+wale",
        "GET /health",
        'POST /orders {"id": 7}',
        "POST /pay sum=1&to=x",
    ]

    assert parse_requests(lines, "requests.txt") == [
        ListedRequest("GET", "/search?title=wite+wale"),
        ListedRequest("GET", "/health"),
        ListedRequest("POST", "/orders", {"Content-Type": "application/json"}, b'{"id": 7}'),
        ListedRequest("POST", "/pay", {"Content-Type": "application/x-www-form-urlencoded"}, b"sum=1&to=x"),
    ]


@pytest.mark.parametrize(
    "request_",
    [
        ListedRequest("GET", "/search"),
        ListedRequest("PUT", "/orders/7?a=b", {"X-Shop": "7"}, "größer".encode()),
        ListedRequest("POST", "/upload", {}, b"\xff\x00"),
    ],
    ids=lambda request: request.title,
)
def test_a_request_that_is_written_is_read_again(request_: ListedRequest) -> None:
    assert parse_requests([request_.line], "requests") == [request_]


def test_a_request_that_is_listed_twice_is_one() -> None:
    assert len(parse_requests(["/a", "GET /a", '{"path": "/a"}', "/b"], "requests")) == 2


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("search", "'search' is not a method"),
        ("get /search", "'get' is not a method"),
        ("http://127.0.0.1:8000/search", "is not a method"),
        ("GET http://127.0.0.1:8000/search", "is not a path"),
        ("GET", "'' is not a path"),
        ("/search title", "what follows /search is not a part of a path"),
        ('{"path": "/a"', "no JSON"),
        ('{"path": "/a b"}', "'/a b' is not a path"),
        ('{"path": "/a\\u0000"}', "is not a path"),
        ('{"path": 7}', "7 is not a path"),
        ('{"url": "/a"}', "'url' is not a part of a request"),
        ('{"path": "/a", "headers": ["X"]}', "headers is not an object of texts"),
        ('{"path": "/a", "headers": {"X": 7}}', "headers is not an object of texts"),
        ('{"path": "/a", "body": "x", "body_base64": "eA=="}', "not both"),
        ('{"path": "/a", "body_base64": "?"}', "is not base64"),
    ],
)
def test_a_line_that_is_no_request_is_told_with_its_number(line: str, reason: str) -> None:
    with pytest.raises(ExperimentError) as told:
        parse_requests(["/fine", line], "requests.txt")

    assert str(told.value).startswith("requests.txt, line 2: ")
    assert reason in str(told.value)


def test_more_requests_than_anybody_can_measure_are_refused() -> None:
    with pytest.raises(ExperimentError, match="more than 1,000 different requests"):
        parse_requests((f"/{number}" for number in range(MOST_REQUESTS + 1)), "requests")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "lists no requests"), (b"# none\n", "lists no requests"), (b"/\xff", "not text in UTF-8")],
)
def test_a_file_without_requests_says_what_is_expected(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "requests.txt"
    file.write_bytes(content)

    with pytest.raises(ExperimentError, match=reason):
        read_requests(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"none\.txt cannot be read: No such file"):
        read_requests(tmp_path / "none.txt")
