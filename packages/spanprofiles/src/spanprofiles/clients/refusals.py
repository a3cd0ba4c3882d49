"""What a server says that it refused: uploads that never became traces or profiles.

Sources: the metrics of Tempo 3 (``tempo_discarded_spans_total``, ``tempo_receiver_refused_spans``) and of Pyroscope 2
(``pyroscope_discarded_samples_total``, whose samples are profiles), in Prometheus's text format; and
``/spanprofiles/refused`` of the embedded pair, which knows when, of whom and why.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from spanprofiles.clients.errors import ClientError
from spanprofiles.clients.http import HttpClient
from spanprofiles.clients.json_values import count, fields, items, number, text
from spanprofiles.clients.probe import CHECKING_SERVICES
from spanprofiles.model.amounts import age
from spanprofiles.model.printable import LONGEST_LINE, printable

_DETAILS, _METRICS = "/spanprofiles/refused", "/metrics"
_SAMPLE = re.compile(r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>.*)\})?\s+(?P<value>[^\s{}]+)(?:\s+-?[0-9]+)?")
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"([^"\\]*(?:\\.[^"\\]*)*)"\s*,?')
_LONGEST_LINE = 64 * 1024  # characters
_LARGEST_COUNT = 2.0**63
_ESCAPES = {"n": "\n", '"': '"', "\\": "\\"}
_STARTED = "process_start_time_seconds"
_SHOWN = 3


@dataclass(frozen=True)
class Counter:
    """A server's counter of what it refused.

    Attributes:
        metric: its name.
        unit: what is counted, in the singular.
        reason_label: which of its labels has the reason; empty where none has.
    """

    metric: str
    unit: str
    reason_label: str = ""


TEMPO_COUNTERS = (
    Counter("tempo_discarded_spans_total", "span", "reason"),
    Counter("tempo_receiver_refused_spans", "span"),
)
PYROSCOPE_COUNTERS = (Counter("pyroscope_discarded_samples_total", "profile", "reason"),)


@dataclass(frozen=True)
class Refusal:
    """What a server refused for one reason.

    Attributes:
        server: its name.
        count: how many, since the server started.
        unit: of what, in the singular: export, span, profile.
        reason: the server's word for the reason.
        message: the reason in a sentence, as the last sender got it; empty where the server does not say.
        service: of which service; empty where that is not known.
        sender: who sent the last of them; empty where that is not known.
        recent: how many there were in the time that was asked about; None where the server does not tell.
        last_s: when the last was, s since the epoch, or None.
        started_s: since when the server counts, s since the epoch, or None.
        told_s: when the server was asked, by its own clock where it tells the time, s since the epoch.
    """

    server: str
    count: int
    unit: str
    reason: str
    message: str = ""
    service: str = ""
    sender: str = ""
    recent: int | None = None
    last_s: float | None = None
    started_s: float | None = None
    told_s: float = 0.0

    @property
    def sentence(self) -> str:
        """What can be said of it, in a printable line, and no more: an old counter says nothing of the present."""
        return printable(self._sentence, LONGEST_LINE)

    @property
    def _sentence(self) -> str:
        of = f" of {self.service}" if self.service else ""
        sender = f", from {self.sender}" if self.sender else ""
        why = self.message or self.reason
        if self.recent is not None and self.last_s is not None:
            plural, were = ("", "was") if self.recent == 1 else ("s", "were")
            ago = age(self.told_s - self.last_s)
            return f"{self.recent} {self.unit}{plural}{of} {were} refused, the last {ago} ago{sender}: {why}"
        refused = f"{self.server} has refused {self.count} {self.unit}(s)"
        if self.started_s is None:
            return f"{refused}: {why} (since it started; it does not say when)"
        return f"{refused}: {why} (since it started {age(self.told_s - self.started_s)} ago; it does not say when)"


def refusals(
    http: HttpClient,
    counters: tuple[Counter, ...],
    since_s: float,
    service: str = "",
    until_s: float = float("inf"),
) -> tuple[Refusal, ...]:
    """Ask a server what it refused; where it does not tell, there is nothing.

    Args:
        http: the server.
        counters: its metrics; a later one counts only what the earlier ones leave.
        since_s: what is older, where that is known, is left out; s since the epoch.
        service: what is known to be of another service is left out; empty for all.
        until_s: what is known to have begun later is left out; s since the epoch.

    Returns:
        The latest, or the most, first.
    """
    found = _details(http, since_s, until_s)
    if found is None:
        found = _counted(http, counters, time.time())
    others = found if not service else [refusal for refusal in found if refusal.service in {"", service}]
    return tuple(refusal for refusal in others if refusal.service not in CHECKING_SERVICES)


def sentences(found: tuple[Refusal, ...]) -> tuple[str, ...]:
    """Return a sentence for each of the first few, and how many more there are."""
    more = len(found) - _SHOWN
    rest = (f"and {more} more reasons for which uploads were refused",) if more > 1 else ()
    shown = found[:_SHOWN] if rest else found
    return tuple(refusal.sentence for refusal in shown) + rest


def _details(http: HttpClient, since_s: float, until_s: float) -> list[Refusal] | None:
    """Ask the embedded pair; None for any other server."""
    try:
        answer = http.get_json(_DETAILS, {"since": int(since_s)})
        with http.decode_errors(_DETAILS, "refusals"):
            started_s, now_s = number(answer["since"]), number(answer["now"])
            unit = "export" if answer["signal"] == "traces" else "profile upload"
            all_told = map(fields, items(answer["refused"]))
            recent = [entry for entry in all_told if count(entry["recent"]) and number(entry["first"]) <= until_s]
            return [_detailed(entry, http.server, unit, started_s, now_s) for entry in recent]
    except ClientError:
        return None


def _detailed(entry: Mapping[str, Any], server: str, unit: str, started_s: float, now_s: float) -> Refusal:
    sender = " ".join(filter(None, (text(entry["peer"]), f"({text(entry['agent'])})" if entry["agent"] else "")))
    return Refusal(
        server,
        count(entry["uploads"]),
        unit,
        text(entry["reason"]),
        text(entry["message"]),
        text(entry["service"]),
        sender,
        count(entry["recent"]),
        number(entry["last"]),
        started_s,
        now_s,
    )


def _counted(http: HttpClient, counters: tuple[Counter, ...], now_s: float) -> list[Refusal]:
    try:
        text = http.get(_METRICS).text
    except ClientError:  # a hosted service shows no metrics
        return []
    names = {counter.metric for counter in counters}
    sums: dict[tuple[str, str], float] = {}
    started_s = None
    for name, labels, value in samples(text, names | {_STARTED}):
        if name == _STARTED:
            started_s = value
            continue
        counter = next(counter for counter in counters if counter.metric == name)
        key = (name, labels.get(counter.reason_label, ""))
        sums[key] = sums.get(key, 0.0) + value
    found: list[Refusal] = []
    for counter in counters:
        told = sum(refusal.count for refusal in found)
        for (name, reason), value in sums.items():
            refused = int(value) - (0 if counter.reason_label else told)
            if name == counter.metric and refused > 0:
                why = reason or "its log says why"
                found.append(Refusal(http.server, refused, counter.unit, why, started_s=started_s, told_s=now_s))
    return sorted(found, key=lambda refusal: -refusal.count)


def samples(text: str, names: set[str]) -> Iterator[tuple[str, dict[str, str], float]]:
    """Read samples of some metrics: (name, labels, value); what is malformed, or no number, is left out.

    Args:
        text: Prometheus's text format.
        names: the metrics.
    """
    starts = tuple(names)
    for line in text.splitlines():
        if len(line) > _LONGEST_LINE or not line.lstrip().startswith(starts):  # of thousands, a few are asked for
            continue
        match = _SAMPLE.fullmatch(line.strip())
        if match is None or match["name"] not in names:
            continue
        try:
            value = float(match["value"])
        except ValueError:
            continue
        if not math.isfinite(value) or abs(value) > _LARGEST_COUNT:
            continue
        yield match["name"], _labels(match["labels"] or ""), value


def _labels(written: str) -> dict[str, str]:
    """Read label by label: searching for them takes a time that grows with the square of a hostile line's length."""
    found: dict[str, str] = {}
    place: re.Match[str] | None = _LABEL.match(written)
    while place is not None:
        found[place[1]] = re.sub(r"\\(.)", lambda escaped: _ESCAPES.get(escaped[1], escaped[0]), place[2])
        place = _LABEL.match(written, place.end())
    return found
