"""The files of a multipart form, read as Go reads them.

Source: RFC 7578 and RFC 2046, and what Go's ``mime/multipart`` makes of forms that keep to neither.
"""

from __future__ import annotations

import binascii
import re

from spanprofiles.embedded.compression import BodyTooLargeError
from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.limits import FORM_HEADER_BYTES, FORM_PARTS_LIMIT
from spanprofiles.embedded.refusals import Reason

MULTIPART = "multipart/form-data"
HEADER = re.compile(rb"([!-9;-~]+):[ \t]*(.*)")
WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
MEDIA_TYPE = re.compile(rf"\s*({WORD}(?:/{WORD})?)\s*")
PARAMETER = re.compile(rf';\s*({WORD})\s*=\s*(?:({WORD})|"((?:[^"\\\r\n]|\\.)*)")\s*')
ESCAPED = re.compile(r'\\([()<>@,;:\\"/\[\]?=])')
LONGEST_BOUNDARY = 200


def is_form(content_type: str) -> bool:
    """Whether a Content-Type is that of a form."""
    return MULTIPART in content_type


def _bad(why: str) -> ConnectError:
    return ConnectError(f"failed to parse the multipart form: {why}", "unknown", Reason.UNDECODED)


def parse_header(text: str) -> tuple[str, dict[str, str]]:
    """Take a header apart, such as ``form-data; name="profile"``.

    Returns:
        What it says, in lower case, and its parameters; an empty text and none where it is not written as it must be.
    """
    match = MEDIA_TYPE.match(text)
    if match is None:
        return "", {}
    kind, position = match[1].lower(), match.end()
    parameters: dict[str, str] = {}
    while position < len(text):
        match = PARAMETER.match(text, position)
        if match is None:
            return (kind, parameters) if text[position:].strip() == ";" else ("", {})
        name = match[1].lower()
        if name in parameters:
            return "", {}
        parameters[name] = match[2] or ESCAPED.sub(r"\1", match[3] or "")
        position = match.end()
    return kind, parameters


def read_files(content_type: str, body: bytes) -> dict[str, bytes]:
    """Read a form's files.

    Args:
        content_type: the request's, which names the boundary.
        body: the request's.

    Returns:
        The content of the first file with each name. What has no file name is not a file.

    Raises:
        ConnectError: it is not a form, or ends early.
        BodyTooLargeError: it has far too many parts.
    """
    _, parameters = parse_header(content_type)
    boundary = parameters.get("boundary", "").encode()
    if not 0 < len(boundary) <= LONGEST_BOUNDARY:
        raise _bad("malformed multipart content type header")
    files: dict[str, bytes] = {}
    parts = 0
    edges = _Edges(boundary, body)
    position = edges.first()
    while position is not None:
        parts += 1
        if parts > FORM_PARTS_LIMIT:
            raise BodyTooLargeError(f"the form has more than {FORM_PARTS_LIMIT} parts")
        headers, start = _headers(body, position)
        end, position = edges.next(start)
        name, file_name = _names(headers)
        if name and file_name:
            files.setdefault(name, _content(headers, body[start:end]))
    return files


class _Edges:
    """Finds the lines that part a form.

    Args:
        boundary: what they have in common.
        body: the form.
    """

    def __init__(self, boundary: bytes, body: bytes) -> None:
        escaped = re.escape(boundary)
        self._body = body
        # A line feed alone ends lines as well, if it ends the first edge.
        self._first = re.compile(rb"^--" + escaped + rb"(?:[ \t]*(\r?\n)|(--)[ \t]*(?:\r\n|\Z))", re.MULTILINE)
        self._boundary = escaped
        self._next = self._edge(rb"\r\n")

    def _edge(self, newline: bytes) -> re.Pattern[bytes]:
        return re.compile(
            newline + rb"--" + self._boundary + rb"(?:[ \t]*" + newline + rb"|(--)[ \t]*(?:" + newline + rb"|\Z))"
        )

    def first(self) -> int | None:
        """Find the first edge: what is before it says nothing.

        Returns:
            The position behind it; None where it is the last.

        Raises:
            ConnectError: there is none.
        """
        match = self._first.search(self._body)
        if match is None:
            raise _bad("multipart: NextPart: EOF")
        if match[2]:
            return None
        self._next = self._edge(match[1])
        return match.end()

    def next(self, start: int) -> tuple[int, int | None]:
        """Find the edge that ends a part.

        Args:
            start: where the part's content begins.

        Returns:
            The end of the content, and the position behind the edge; None for that where it is the last.

        Raises:
            ConnectError: there is none.
        """
        # an empty part may end with the line end of its own header
        match = self._next.search(self._body, start) if start else None
        early = self._next.match(self._body, max(0, start - 2)) or self._next.match(self._body, max(0, start - 1))
        found = early or match
        if found is None:
            raise _bad("unexpected EOF")
        return max(start, found.start()) if not early else start, None if found[1] else found.end()


def _headers(body: bytes, position: int) -> tuple[dict[str, str], int]:
    """Read a part's header; return it with the position behind it.

    Raises:
        ConnectError: it does not end, is far too large, or is none.
    """
    found: dict[str, str] = {}
    start = position
    while True:
        end = body.find(b"\n", position, start + FORM_HEADER_BYTES)
        if end < 0:
            raise _bad("a part has no header, or one that does not end")
        line = body[position:end].removesuffix(b"\r")
        position = end + 1
        if not line:
            return found, position
        match = HEADER.fullmatch(line)
        if match is None:
            raise _bad("malformed MIME header")
        found.setdefault(match[1].decode().lower(), match[2].strip().decode("utf-8", "replace"))


def _names(headers: dict[str, str]) -> tuple[str, str]:
    """(name, file name) of a part; two empty texts for what is no part of a form."""
    kind, parameters = parse_header(headers.get("content-disposition", ""))
    if kind != "form-data":
        return "", ""
    return parameters.get("name", ""), parameters.get("filename", "")


def _content(headers: dict[str, str], content: bytes) -> bytes:
    if headers.get("content-transfer-encoding", "").lower() == "quoted-printable":
        return binascii.a2b_qp(content)
    return content
