"""Exports in zstd, snappy and lz4, where the package for them is installed, and where it is not."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable
from typing import Any

import cramjam
import pytest
from werkzeug.test import TestResponse

from spanprofiles.embedded import extra_compression
from spanprofiles.embedded.compression import BadBodyError, BodyTooLargeError
from spanprofiles.embedded.limits import FIRST_INFLATION, INFLATION, INFLATION_FREE_BYTES
from spanprofiles.embedded.otlp import http
from tests.unit.embedded.conftest import Applications, SpanFactory

Compress = Callable[[bytes], bytes]
JSON = "application/json"
ONE_SPAN = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [SpanFactory("ab")("one")]}]}]}).encode()


def zstd(data: bytes) -> bytes:
    return bytes(cramjam.zstd.compress(data))


def lz4(data: bytes) -> bytes:
    return bytes(cramjam.lz4.compress(data))


def snappy(data: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(data))


def framed_snappy(data: bytes) -> bytes:
    return bytes(cramjam.snappy.compress(data))


KINDS = pytest.mark.parametrize(
    ("encoding", "compress"),
    [("zstd", zstd), ("lz4", lz4), ("snappy", snappy), ("snappy", framed_snappy), ("x-snappy-framed", framed_snappy)],
    ids=["zstd", "lz4", "snappy", "snappy in frames", "x-snappy-framed"],
)


def sent(applications: Applications, data: bytes, encoding: str) -> TestResponse:
    return applications.otlp.post("/v1/traces", data=data, content_type=JSON, headers={"Content-Encoding": encoding})


@KINDS
def test_what_collectors_compress_otherwise_than_with_gzip_is_taken(
    applications: Applications, encoding: str, compress: Compress
) -> None:
    assert sent(applications, compress(ONE_SPAN), encoding).status_code == 200
    assert applications.search("{}") == {"ab": ["one"]}


@pytest.mark.parametrize(("encoding", "compress"), [("zstd", zstd), ("lz4", lz4)])
def test_several_frames_are_read_one_after_the_other(
    applications: Applications, encoding: str, compress: Compress
) -> None:
    assert sent(applications, compress(ONE_SPAN[:50]) + compress(ONE_SPAN[50:]), encoding).status_code == 200


@KINDS
def test_data_that_is_damaged_or_cut_off_is_refused(
    applications: Applications, encoding: str, compress: Compress
) -> None:
    for data in (b"", b"nonsense" * 9, compress(ONE_SPAN)[:-3], compress(ONE_SPAN) + b"xx"):
        assert sent(applications, data, encoding).status_code == 400
    assert applications.search("{}") == {}


@KINDS
def test_a_body_that_grows_beyond_its_limits_is_refused_without_growing(encoding: str, compress: Compress) -> None:
    watched: list[int] = []
    decode = extra_compression.decoders()[encoding]
    bomb = compress(bytes(INFLATION_FREE_BYTES + 1))
    with pytest.raises(BodyTooLargeError, match=r"larger than 1000 bytes|more than 250 times|larger than 1000"):
        decode(bomb, 1_000, watched.append)
    assert max(watched) <= 1_000


def test_a_body_that_grows_out_of_all_proportion_is_refused() -> None:
    bomb = zstd(bytes(2 * INFLATION_FREE_BYTES))
    assert len(bomb) * INFLATION < INFLATION_FREE_BYTES
    with pytest.raises(BodyTooLargeError, match=f"more than {INFLATION} times as large"):
        extra_compression.decoders()["zstd"](bomb, 64 * INFLATION_FREE_BYTES, lambda _: None)


def test_a_body_that_grows_much_within_the_limits_is_taken() -> None:
    large = bytes(range(256)) * (INFLATION_FREE_BYTES // 128)
    small = snappy(large)
    assert len(large) / len(small) > FIRST_INFLATION / 2
    watched: list[int] = []
    assert extra_compression.decoders()["snappy"](small, 2 * len(large), watched.append) == large
    assert watched == sorted(watched)


def test_damaged_data_says_which_format_it_is_not() -> None:
    with pytest.raises(BadBodyError, match=r"^lz4: (?!lz4)"):
        extra_compression.decoders()["lz4"](b"nonsense" * 9, 1_000, lambda _: None)


@pytest.mark.parametrize("encoding", extra_compression.NAMES)
def test_without_the_package_the_answer_is_a_415_that_says_what_is_taken(
    applications: Applications, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    monkeypatch.setattr(extra_compression, "cramjam", None)
    missing = extra_compression.decoders()
    assert missing == {}
    monkeypatch.setattr(http, "EXTRA_DECODERS", missing)
    monkeypatch.setattr(http, "ENCODINGS", ("gzip", "deflate", "zlib"))
    response = sent(applications, zstd(ONE_SPAN), encoding)
    assert response.status_code == 415
    message = response.get_json()["message"]
    assert "install spanprofiles[compression]" in message
    assert "gzip, deflate, zlib, or none" in message


def test_the_module_is_there_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cramjam", None)
    anew: dict[str, Any] = runpy.run_path(extra_compression.__file__)
    assert (anew["cramjam"], anew["decoders"]()) == (None, {})
