"""What the older API says in its query: the application's name with its tags, and times.

Source: Pyroscope's ``api/model/labelset`` and ``og/util/attime``, which it takes names and times apart with.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass

from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.labels import NAME
from spanprofiles.embedded.refusals import Reason

IN_LABEL_NAME = re.compile(r"[A-Za-z0-9_.]")
IN_SERVICE = re.compile(r"[A-Za-z0-9_./-]")
# Labels that begin so are the server's own; one of them is allowed.
PRIVATE, ALLOWED = "__", frozenset({"__session_id__"})
DIGITS = re.compile(r"[0-9]+")
OFFSET = re.compile(r"([0-9]*)([^0-9]*)")
UNITS = (("s", 1), ("mon", 2_592_000), ("M", 2_592_000), ("m", 60), ("h", 3_600), ("d", 86_400), ("w", 604_800),
         ("y", 31_536_000))  # fmt: skip
TICKS = {13: 10**6, 16: 10**3, 19: 1}
DATE_DIGITS = 8
NANOSECONDS = 10**9
LARGEST_NS = 2**63 - 1


@dataclass(frozen=True)
class AppName:
    """The name of an application, and its tags.

    Attributes:
        service: the name.
        labels: the tags, the server's own left out.
        profile_id: whether a tag names one profile, which no way in takes any more.
    """

    service: str
    labels: dict[str, str]
    profile_id: bool = False


def _refused(message: str) -> ConnectError:
    return ConnectError(f"name: {message}", reason=Reason.NAME)


def _checked(kind: str, text: str, allowed: re.Pattern[str]) -> str:
    if not text:
        raise _refused(f"{kind} is required")
    wrong = next((character for character in text if not allowed.fullmatch(character)), None)
    if wrong is not None:
        raise _refused(f"invalid {kind}: {text[:128]}: character is not allowed: {wrong!r}")
    return text


def parse_name(text: str) -> AppName:
    """Parse an application and its tags, ``application{tag=value,...}``.

    A tag without a value, or that neither a comma nor a brace ends, is ignored with all that follows it.

    Raises:
        ConnectError: a name is missing, or has characters that it may not have.
    """
    service, brace, rest = text.partition("{")
    service = _checked("service name", service.strip(), IN_SERVICE)
    labels: dict[str, str] = {}
    while brace and rest:
        match = re.match(r"([^=}]*)=([^,}]*)[,}]", rest)
        if match is None:
            break
        name = match[1].strip()
        if name == NAME:
            service = match[2].strip()
        else:
            labels[_checked("label name", name, IN_LABEL_NAME)] = match[2].strip()
        rest = rest[match.end() :]
    kept = {name: value for name, value in labels.items() if not name.startswith(PRIVATE) or name in ALLOWED}
    return AppName(service, kept, profile_id=bool(labels.get("profile_id")))


def time_ns(text: str, now_ns: int) -> int:
    """Read a time, in ns since the epoch.

    Args:
        text: digits of s, ms, us or ns since the epoch; a day, as in 20260131; or a way from the present, as in
            ``now-1h``. The present where it is empty, or nothing of that.
        now_ns: the present, ns since the epoch.
    """
    text = re.sub("[_, ]", "", text.strip())
    if not DIGITS.fullmatch(text):
        return min(now_ns + _offset_s(text) * NANOSECONDS, LARGEST_NS)
    day = _day_ns(text)
    return min(int(text[:20]) * TICKS.get(len(text), NANOSECONDS), LARGEST_NS) if day is None else day


def _day_ns(text: str) -> int | None:
    if len(text) != DATE_DIGITS:
        return None
    try:
        day = datetime.datetime.strptime(text, "%Y%m%d").replace(tzinfo=datetime.timezone.utc)
    except ValueError:
        return None
    return int(day.timestamp()) * NANOSECONDS if day.year > 1900 else None


def _offset_s(text: str) -> int:
    sign = re.search("[+-]", text)
    if sign is None:
        return 0
    total = sum(
        int(number[:9] or 0) * next((size for start, size in UNITS if unit.startswith(start)), 0)
        for number, unit in OFFSET.findall(text[sign.end() :])
    )
    return -total if sign[0] == "-" else total
