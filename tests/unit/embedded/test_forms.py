"""Forms of several parts, as clients write them, and as they should not."""

from __future__ import annotations

import pytest

from spanprofiles.embedded.compression import BodyTooLargeError
from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.forms import is_form, parse_header, read_files
from spanprofiles.embedded.pyroscope.limits import FORM_HEADER_BYTES, FORM_PARTS_LIMIT

TYPE = "multipart/form-data; boundary=edge"
FILE = 'Content-Disposition: form-data; name="profile"; filename="p.pprof"'


def form(*parts: tuple[str, str], newline: str = "\r\n", end: str = "--edge--\r\n") -> bytes:
    """A form of (header, content) each."""
    written = [f"--edge{newline}{header}{newline}{newline}{content}{newline}" for header, content in parts]
    return ("".join(written) + end).encode()


@pytest.mark.parametrize(
    ("body", "files"),
    [
        (form((FILE, "abc")), {"profile": b"abc"}),
        (form((FILE, "a\r\n--edg\r\n\r\n--edge-x")), {"profile": b"a\r\n--edg\r\n\r\n--edge-x"}),
        (form((FILE, "first"), (FILE, "second")), {"profile": b"first"}),
        (form((FILE + "\r\nContent-Type: application/octet-stream", "abc")), {"profile": b"abc"}),
        (form((FILE.lower(), "abc")), {"profile": b"abc"}),
        (form((FILE, "abc"), newline="\n", end="--edge--\n"), {"profile": b"abc"}),
        (b"said before\r\n" + form((FILE, "abc")) + b"said after", {"profile": b"abc"}),
        (form((FILE, "abc"), end="--edge--"), {"profile": b"abc"}),
        (form((FILE, "")), {"profile": b""}),
        (form((FILE + "\r\nContent-Transfer-Encoding: quoted-printable", "a=3Db")), {"profile": b"a=b"}),
        (form(('Content-Disposition: form-data; name="profile"', "no file")), {}),
        (form(('Content-Disposition: form-data; name="profile"; filename=""', "no file")), {}),
        (form(('Content-Disposition: attachment; name="profile"; filename="x"', "no part of a form")), {}),
        (form(("Content-Disposition: form-data; name=profile; filename=a/b", "not written as it must be")), {}),
        (form(("X: y", "no name")), {}),
        (form(), {}),
    ],
)
def test_the_files_of_a_form_are_found_however_it_is_written(body: bytes, files: dict[str, bytes]) -> None:
    assert read_files(TYPE, body) == files


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", form((FILE, "abc"))),
        ("multipart/form-data; boundary=", form((FILE, "abc"))),
        ("multipart/form-data; boundary=a/b", form((FILE, "abc"))),
        ("multipart/form-data; boundary=other", form((FILE, "abc"))),
        (f"multipart/form-data; boundary={'e' * 201}", form((FILE, "abc"))),
        (TYPE, form((FILE, "abc"), end="")),
        (TYPE, form((FILE, "abc"), end="--edge")),
        (TYPE, b"--edge\r\n" + FILE.encode()),
        (TYPE, b"--edge\r\nno header\r\n\r\nabc\r\n--edge--\r\n"),
        (TYPE, form((f"X: {'y' * FORM_HEADER_BYTES}", "abc"))),
        (TYPE, b"\n--edge--\n"),
        (TYPE, b""),
    ],
)
def test_what_is_no_form_or_ends_early_is_refused(content_type: str, body: bytes) -> None:
    with pytest.raises(ConnectError):
        read_files(content_type, body)


def test_a_form_of_very_many_parts_is_refused() -> None:
    assert len(read_files(TYPE, form(*[(FILE, "")] * FORM_PARTS_LIMIT))) == 1
    with pytest.raises(BodyTooLargeError):
        read_files(TYPE, form(*[(FILE, "")] * (FORM_PARTS_LIMIT + 1)))


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [(TYPE, True), ("x; multipart/form-data", True), ("Multipart/Form-Data; boundary=x", False), ("", False)],
)
def test_a_form_is_known_by_its_type_as_it_is_written(content_type: str, expected: bool) -> None:
    assert is_form(content_type) is expected


@pytest.mark.parametrize(
    ("text", "kind", "parameters"),
    [
        ('form-data; name="a b"; filename=x.y', "form-data", {"name": "a b", "filename": "x.y"}),
        (r'form-data; name="a\"b\\c\d"', "form-data", {"name": r'a"b\c\d'}),
        ("Form-Data;NAME=x ; ", "form-data", {"name": "x"}),
        ("form-data; name=x; name=y", "", {}),
        ("form-data; name", "", {}),
        ("", "", {}),
    ],
)
def test_a_header_is_taken_apart(text: str, kind: str, parameters: dict[str, str]) -> None:
    assert parse_header(text) == (kind, parameters)
