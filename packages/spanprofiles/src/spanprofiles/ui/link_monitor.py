"""Whether recent requests lead to samples. Where they do not, every page says so at its top.

A request without samples proves nothing: it may have waited. So the monitor looks at some of the newest together. Where
none of them is linked, it asks the doctor for a confirmation before it says anything.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from enum import Enum
from functools import partial
from threading import Lock

from spanprofiles.clients import ClientError, FoundTrace
from spanprofiles.doctor import Examination
from spanprofiles.linking import Linker
from spanprofiles.model import PROFILE_ID_ATTRIBUTE
from spanprofiles.model.sampling import FEW_PERIODS, SAMPLE_PERIOD_NS
from spanprofiles.ui.confirmation import Confirmation, confirm
from spanprofiles.ui.cpu import CpuCache, CpuState, Known, ProfiledSpan
from spanprofiles.ui.filters import Filters

_WINDOW_S = 60
_TRACES, _SPANS = 100, 6
_ABSENT = {"", "nil"}
#: So many of the newest requests count; with fewer than the second figure the monitor says nothing.
_NEWEST, _FEWEST = 5, 3
#: A region is silent if it has sent nothing for so long, s, while the others have sent so many requests.
_SILENT_AFTER_S, _OTHERS = 10.0, 25
#: After so many requests of the load generator there must be a trace.
_TRACED_AFTER = 6
#: How long a load must leave no trace before the monitor says so, s: spans are sent a few at a time.
_LOUD_FOR_S = 0.5
#: The requests of a place are its first if none of the newest is older, s.
_BEGUN_S = 10.0
_LOOK_AGAIN_AFTER_S, _LOOK_SOON_AFTER_S = 1.0, 0.2
_NAMES = 3
_KINDS = 2
_TIMEOUT_S = (0.5, 1.5)


class Break(Enum):
    """Why requests lead to no samples."""

    NO_SAMPLES = "no samples"
    NO_PROFILE_ID = "no profile ID"
    NO_TRACES = "no traces"


@dataclass(frozen=True)
class ServiceRegion:
    """A service, and its region, or an empty text."""

    service: str
    region: str


@dataclass(frozen=True)
class Entry:
    """The span at which a request entered a service, long enough to be sampled.

    Attributes:
        place: the service that it entered.
        trace_id: its trace.
        route: tells it from other kinds of requests; may be empty.
        profiled: its profile ID and time; None where it carries no profile ID.
        start_ns: ns since the epoch, as is the next.
        end_ns: its end.
    """

    place: ServiceRegion
    trace_id: str
    span_id: str
    route: str
    profiled: ProfiledSpan | None
    start_ns: int
    end_ns: int


@dataclass(frozen=True)
class DeadLinks:
    """The newest requests of a place, none of which leads to samples.

    Attributes:
        place: where; the service of a silent region may be empty.
        kind: what they lack.
        count: how many requests there are; for a silent place, for how many seconds it has been silent.
        cause: the doctor's, in a few words; empty where it has none.
    """

    place: ServiceRegion
    kind: Break
    count: int
    cause: str = ""


def entries_of(found: Iterable[FoundTrace]) -> list[Entry]:
    """Return the spans of search results that are long enough to be sampled, the newest first."""
    entries = []
    for trace in found:
        for span in trace.spans:
            text = {name: value for name, value in span.attributes.items() if value not in _ABSENT}
            end_ns = span.start_ns + span.duration_ns
            place = ServiceRegion(text.get("service.name", ""), text.get("region", ""))
            profile_id = text.get(PROFILE_ID_ATTRIBUTE, "")
            profiled = None
            if profile_id:
                profiled = ProfiledSpan(profile_id, place.service, span.start_ns, end_ns, trace.trace_id)
            route = text.get("http.route", "")
            entries.append(Entry(place, trace.trace_id, span.span_id, route, profiled, span.start_ns, end_ns))
    return sorted(entries, key=lambda entry: -entry.end_ns)


def suspects(
    entries: Sequence[Entry], known: Mapping[str, Known], now_ns: int, settled_after_s: float, *, all_profiled: bool
) -> list[tuple[Break, Sequence[Entry]]]:
    """Return the places without a linked request among their newest, with those requests.

    Args:
        entries: the newest first.
        known: what is known of their samples, by profile ID.
        now_ns: ns since the epoch.
        settled_after_s: how long after a span's end its samples have arrived, s.
        all_profiled: whether every service is meant to be profiled. Where not, services without any profile ID are
            suspects only if there is no profile ID anywhere.
    """
    nobody = not any(entry.profiled for entry in entries)
    settled = [entry for entry in entries if _is_settled(entry, known, now_ns, settled_after_s)]
    found: list[tuple[Break, Sequence[Entry]]] = []
    for theirs in _grouped(settled):
        newest = theirs[:_NEWEST]
        if len(newest) < _FEWEST:
            continue
        if not any(entry.profiled for entry in newest):
            if all_profiled or nobody:
                found.append((Break.NO_PROFILE_ID, newest))
        elif not any(known[entry.profiled.profile_id].cpu_ns for entry in newest if entry.profiled):
            found.append((Break.NO_SAMPLES, newest))
    return found


def _grouped(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Group the requests by place; places with few requests are put together by service."""
    places: dict[ServiceRegion, list[Entry]] = {}
    for entry in entries:
        places.setdefault(entry.place, []).append(entry)
    rare: dict[str, list[Entry]] = {}
    for entry in entries:
        if len(places[entry.place]) < _FEWEST:
            rare.setdefault(entry.place.service, []).append(entry)
    return [theirs for theirs in places.values() if len(theirs) >= _FEWEST] + list(rare.values())


def _is_settled(entry: Entry, known: Mapping[str, Known], now_ns: int, settled_after_s: float) -> bool:
    if entry.profiled is None:
        return True
    state = known[entry.profiled.profile_id].state
    if state is CpuState.WAITING:
        return now_ns - entry.end_ns > settled_after_s * 1e9
    return state is not CpuState.NOT_ASKED


@dataclass(frozen=True)
class Load:
    """What a load generator does: requests at once, and requests since its start."""

    riders: int
    requests: int


def silent_regions(entries: Sequence[Entry], regions: Collection[str], now_ns: int) -> list[tuple[str, int]]:
    """Return the regions from which no request came while many came from others, and for how long, s at most.

    Args:
        entries: those of the last minute.
        regions: the regions from which requests should come.
        now_ns: ns since the epoch.
    """
    silent = []
    for region in regions:
        last_ns = max((entry.start_ns for entry in entries if entry.place.region == region), default=0)
        silent_s = min((now_ns - last_ns) / 1e9, _WINDOW_S)
        others = sum(entry.place.region != region and entry.start_ns > last_ns for entry in entries)
        if silent_s > _SILENT_AFTER_S and others >= _OTHERS:
            silent.append((region, round(silent_s)))
    return silent


class LinkMonitor:
    """Looks at the newest requests, and asks the doctor about suspects. Safe for several threads.

    Args:
        linker: of the backend.
        cpu_cache: what is known of spans' CPU.
        examine: examines a service by its name.
        settled_after_s: how long after a span's end its samples have arrived, s.
        regions: the regions that should send requests all the time; empty where that is unknown.
        load: tells what the load generator does; returns None where that is unknown.
    """

    def __init__(
        self,
        linker: Linker,
        cpu_cache: CpuCache,
        examine: Callable[[str], Examination],
        settled_after_s: float,
        regions: Collection[str] = (),
        load: Callable[[], Load | None] = lambda: None,
    ) -> None:
        self._linker = linker
        self._tempo = linker.tempo.with_timeout(_TIMEOUT_S)
        self._cpu_cache = cpu_cache
        self._examine = examine
        self._settled_after_s = settled_after_s
        self._regions = tuple(regions)
        self._load = load
        self._known: tuple[DeadLinks, ...] = ()
        self._looked_s = 0.0
        self._began_s = time.monotonic()
        self._loud_since_s: float | None = None
        #: Whether the next look should be soon, because it may well say more.
        self.is_pending = False
        self._lock = Lock()
        self._asked: dict[tuple[Break, ServiceRegion], _Question] = {}
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="dead links")

    def look(self, timeout_s: float) -> tuple[DeadLinks, ...]:
        """Return the places whose requests are dead links; none where a server does not answer, which others report.

        Args:
            timeout_s: how long to wait for what is not known yet, s.
        """
        if not self._lock.acquire(timeout=timeout_s):
            return self._known
        try:
            if time.monotonic() - self._looked_s > (_LOOK_SOON_AFTER_S if self.is_pending else _LOOK_AGAIN_AFTER_S):
                try:
                    self._known = self._look(timeout_s)
                except ClientError:
                    self._known, self.is_pending = (), False
                self._looked_s = time.monotonic()
            return self._known
        finally:
            self._lock.release()

    def close(self) -> None:
        """Stop asking."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _look(self, timeout_s: float) -> tuple[DeadLinks, ...]:
        deadline = time.monotonic() + timeout_s
        found = self._search(Filters(shortest_ms=FEW_PERIODS * SAMPLE_PERIOD_NS / 1e6), _WINDOW_S)
        entries = entries_of(found)
        newest = [entry for place in {entry.place for entry in entries} for entry in _newest_of(entries, place)]
        known = self._cpu_cache.look(
            [entry.profiled for entry in newest if entry.profiled], timeout_s, self._settled_after_s
        )
        now_ns = time.time_ns()
        newest.sort(key=lambda entry: -entry.end_ns)
        doubtful = suspects(newest, known, now_ns, self._settled_after_s, all_profiled=bool(self._regions))
        told = [self._judged(kind, spans, deadline, newest, known) for kind, spans in doubtful]
        judged = {(kind, _place_of(spans)) for kind, spans in doubtful}
        self._asked = {key: asked for key, asked in self._asked.items() if key in judged}
        silent = [
            DeadLinks(ServiceRegion("", region), Break.NO_TRACES, seconds)
            for region, seconds in self._silent(entries, now_ns)
        ]
        found_out = tuple([dead for dead in told if dead is not None] + silent)
        self.is_pending = not found_out and (
            self._loud_since_s is not None
            or not all(asked.is_answered for asked in self._asked.values())
            or (bool(self._regions) and _may_be_dead(newest, known, now_ns))
        )
        return found_out

    def _silent(self, entries: Sequence[Entry], now_ns: int) -> list[tuple[str, int]]:
        last_ns = max((entry.start_ns for entry in entries), default=0)
        silent_s = min((now_ns - last_ns) / 1e9, _WINDOW_S)
        if not self._regions or silent_s < _SILENT_AFTER_S:
            self._loud_since_s = None
            return silent_regions(entries, self._regions, now_ns)
        load = self._load()
        is_loud = load is not None and load.riders > 0 and load.requests >= _TRACED_AFTER
        if not is_loud or self._search(Filters(), _SILENT_AFTER_S):  # all may have been short by chance
            self._loud_since_s = None
            return []
        self._loud_since_s = self._loud_since_s or time.monotonic()
        if time.monotonic() - self._loud_since_s < _LOUD_FOR_S:
            return []
        silent_s = min(silent_s, time.monotonic() - self._began_s)
        return [(region, round(silent_s)) for region in self._regions]

    def _search(self, filters: Filters, back_s: float) -> list[FoundTrace]:
        now_s = int(time.time())
        query, start_s = filters.traceql(), now_s - round(back_s)
        return self._tempo.search(query, start_s=start_s, end_s=now_s + 1, limit=_TRACES, spans=_SPANS)

    def _judged(
        self,
        kind: Break,
        spans: Sequence[Entry],
        deadline: float,
        newest: Sequence[Entry],
        known: Mapping[str, Known],
    ) -> DeadLinks | None:
        """Return what to say about a suspect: nothing where its requests waited, or while the doctor is looking.

        Where every service should be profiled, a service without any linked request is reported without the doctor's
        proof, if its requests are of several kinds: not all of them wait.
        """
        place = _place_of(spans)
        asked = self._asked.get((kind, place))
        if asked is None or asked.is_old:
            examine = partial(self._examine, place.service)
            requests = [(entry.trace_id, entry.span_id) for entry in _of_each_kind(spans)]
            future = self._pool.submit(confirm, self._linker, examine, place.service, requests)
            asked = self._asked[kind, place] = _Question(future, asked.answer(0) if asked else None)
        answer = asked.answer(max(0.0, deadline - time.monotonic()))
        if answer is None:
            return None
        theirs = [entry for entry in newest if entry.place.service == place.service]
        is_certain = bool(self._regions) and not answer.is_open and _is_all_dead(theirs, known)
        return DeadLinks(place, kind, len(spans), answer.cause) if answer.is_dead or is_certain else None


class _Question:
    """A question to the doctor about a suspect.

    Args:
        future: its answer, when it has one.
        before: what it said before; None where it was not asked.
    """

    def __init__(self, future: Future[Confirmation], before: Confirmation | None) -> None:
        self._future = future
        self._before = before
        self._asked_s = time.monotonic()

    @property
    def is_answered(self) -> bool:
        """Whether the doctor has answered."""
        return self._future.done()

    @property
    def is_old(self) -> bool:
        """Whether the doctor's answer is so old that it should be asked again."""
        if not self._future.done():
            return False
        answer = self.answer(0)
        return answer is None or time.monotonic() - self._asked_s > answer.lasts_s

    def answer(self, timeout_s: float) -> Confirmation | None:
        """Return the doctor's answer, or its previous one while it is looking; None where it has not answered."""
        wait([self._future], timeout_s)
        if not self._future.done():
            return self._before
        return None if self._future.cancelled() or self._future.exception() else self._future.result()


def _is_all_dead(entries: Sequence[Entry], known: Mapping[str, Known]) -> bool:
    """Tell whether none of a service's requests is linked, and they are of several kinds."""
    linked = any(known[entry.profiled.profile_id].cpu_ns for entry in entries if entry.profiled)
    return not linked and len({entry.route for entry in entries}) >= _KINDS


def _may_be_dead(entries: Sequence[Entry], known: Mapping[str, Known], now_ns: int) -> bool:
    """Tell whether a place has only begun to send requests, and none of them is linked yet."""
    return any(
        now_ns - theirs[-1].end_ns < _BEGUN_S * 1e9
        and not any(known[entry.profiled.profile_id].cpu_ns for entry in theirs if entry.profiled)
        for theirs in _grouped(entries)
    )


def _place_of(spans: Sequence[Entry]) -> ServiceRegion:
    places = {span.place for span in spans}
    return spans[0].place if len(places) == 1 else ServiceRegion(spans[0].place.service, "")


def _of_each_kind(spans: Sequence[Entry]) -> list[Entry]:
    """Return a few requests, each of another route."""
    return list({entry.route: entry for entry in spans}.values())[:_NAMES]


def _newest_of(entries: Sequence[Entry], place: ServiceRegion) -> list[Entry]:
    return [entry for entry in entries if entry.place == place][: 4 * _NEWEST]  # some are too young to be judged
