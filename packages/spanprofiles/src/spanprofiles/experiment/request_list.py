"""The requests of an experiment, as a file that people write and a test run records.

A line is one request: a path, or a method and a path, or those and a body; or a JSON object with the keys ``method``,
``path``, ``headers``, ``body`` and ``body_base64``. Empty lines, and lines that begin with ``#``, are no requests::

    /search?title=wite+wale
    POST /orders {"title": "Old Ship, edition 7"}
    {"method": "PUT", "path": "/orders/7", "headers": {"X-Shop": "7"}, "body": "paid=1"}
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spanprofiles.experiment.errors import ExperimentError

#: Requests of one file, at most.
MOST_REQUESTS = 1_000

#: One file of requests, bytes.
LARGEST_FILE_BYTES = 16 * 2**20

_METHOD = re.compile(r"[A-Z]+")
_KEYS = {"method", "path", "headers", "body", "body_base64"}
_TYPE = "Content-Type"
_FORM, _JSON = "application/x-www-form-urlencoded", "application/json"
_NOT_IN_A_PATH = re.compile(r"[\s\x00-\x1f\x7f]")


@dataclass(frozen=True)
class ListedRequest:
    """One request of an experiment.

    Attributes:
        method: such as ``GET``.
        path: from ``/`` on, with its query.
        headers: those that the app may need.
        body: what is sent; empty for nothing.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    body: bytes = b""

    @property
    def title(self) -> str:
        """Method and path."""
        return f"{self.method} {self.path}"

    @property
    def line(self) -> str:
        """The request as a line of a file."""
        document: dict[str, Any] = {"method": self.method, "path": self.path}
        if self.headers:
            document["headers"] = dict(self.headers)
        if self.body:
            try:
                document["body"] = self.body.decode()
            except UnicodeDecodeError:
                document["body_base64"] = base64.b64encode(self.body).decode()
        return json.dumps(document)


def read_requests(file: Path) -> list[ListedRequest]:
    """Read a file of requests. A request that is listed several times is one of them.

    Raises:
        ExperimentError: the file cannot be read, a line is no request, or there are none or too many.
    """
    try:
        if file.stat().st_size > LARGEST_FILE_BYTES:
            raise ExperimentError(f"{file} is larger than {LARGEST_FILE_BYTES // 2**20} MiB: list fewer requests")
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ExperimentError(f"the requests in {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ExperimentError(f"{file} is not a list of requests: it is not text in UTF-8") from error
    found = parse_requests(text.splitlines(), str(file))
    if not found:
        raise ExperimentError(f"{file} lists no requests: write a path, such as /search?title=whale, on each line")
    return found


def parse_requests(lines: Iterable[str], source: str) -> list[ListedRequest]:
    """Read lines of requests; each different request comes once, in the order of the lines.

    Args:
        lines: the lines.
        source: what to call them in messages.

    Raises:
        ExperimentError: a line is no request, or there are too many.
    """
    found: dict[ListedRequest, None] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            request = _of_object(text) if text.startswith("{") else _of_words(text)
        except ValueError as error:
            raise ExperimentError(f"{source}, line {number}: {error}") from error
        found[request] = None
        if len(found) > MOST_REQUESTS:
            raise ExperimentError(f"{source} lists more than {MOST_REQUESTS:,} different requests: list fewer")
    return list(found)


def _of_words(text: str) -> ListedRequest:
    first, _, rest = text.partition(" ")
    if first.startswith("/"):
        if rest.strip():
            raise ValueError(f"what follows {first} is not a part of a path: put a method before it, or write %20")
        return ListedRequest("GET", first)
    path, _, body = rest.strip().partition(" ")
    body = body.strip()
    headers = {_TYPE: _JSON if _is_json(body) else _FORM} if body else {}
    return ListedRequest(_method(first), _path(path), headers, body.encode())


def _of_object(text: str) -> ListedRequest:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ValueError(f"no JSON: {error}") from error
    unknown = sorted(document.keys() - _KEYS)
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not a part of a request: choose of {', '.join(sorted(_KEYS))}")
    headers = document.get("headers", {})
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        raise ValueError("headers is not an object of texts")
    return ListedRequest(_method(document.get("method", "GET")), _path(document.get("path")), headers, _body(document))


def _body(document: Mapping[str, Any]) -> bytes:
    text, encoded = document.get("body", ""), document.get("body_base64", "")
    if not isinstance(text, str) or not isinstance(encoded, str) or (text and encoded):
        raise ValueError("give body, as a text, or body_base64, not both")
    try:
        return text.encode() or base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise ValueError(f"body_base64 is not base64: {error}") from error


def _method(text: object) -> str:
    if not isinstance(text, str) or not _METHOD.fullmatch(text):
        raise ValueError(f"{text!r} is not a method: a path such as /search, or a method and a path, is expected")
    return text


def _path(text: object) -> str:
    if not isinstance(text, str) or not text.startswith("/") or _NOT_IN_A_PATH.search(text):
        raise ValueError(f"{text!r} is not a path: it begins with / and has no spaces; the address is the app's own")
    return text


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
