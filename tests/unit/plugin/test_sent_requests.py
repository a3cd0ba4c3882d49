"""What tests send to their apps, kept in a file that ``spanprofiles ab`` reads."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import requests

from spanprofiles.experiment.request_list import ListedRequest, read_requests
from spanprofiles.pytest_plugin.sent_requests import add_request


def prepared(method: str, path: str, **options: Any) -> requests.PreparedRequest:
    url = f"http://127.0.0.1:8000{path}"
    return requests.Session().prepare_request(requests.Request(method, url, **options))


def test_requests_are_added_line_by_line_without_what_belongs_to_one_message(tmp_path: Path) -> None:
    file = tmp_path / "requests"
    headers = {"traceparent": "00-1-2-01", "tracestate": "a=b", "User-Agent": "a", "X-Shop": "7"}
    add_request(file, prepared("GET", "/search?title=wite wale", headers=headers))
    add_request(file, prepared("POST", "/orders", json={"id": 7}))
    add_request(file, prepared("POST", "/upload", data=b"\xff\x00"))

    assert read_requests(file) == [
        ListedRequest("GET", "/search?title=wite%20wale", {"X-Shop": "7"}),
        ListedRequest("POST", "/orders", {"Content-Type": "application/json"}, b'{"id": 7}'),
        ListedRequest("POST", "/upload", {}, b"\xff\x00"),
    ]
    assert file.stat().st_mode & 0o777 == 0o600  # a header may be a secret


def test_a_body_that_was_a_stream_is_gone_and_its_request_is_left_out(tmp_path: Path) -> None:
    add_request(tmp_path / "requests", prepared("POST", "/upload", data=io.BytesIO(b"a")))

    assert not (tmp_path / "requests").exists()


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(pytest.UsageError, match=r"cannot be written to .*: Is a directory"):
        add_request(tmp_path, prepared("GET", "/"))
