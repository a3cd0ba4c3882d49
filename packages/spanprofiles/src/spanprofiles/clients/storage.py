"""Whether a server says that it failed to write: it then takes what is sent to it, says that it is ready, and loses it.

Sources: the metrics of Tempo 2 and 3 and of Pyroscope 2, in Prometheus's text format.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from spanprofiles.clients.errors import ClientError
from spanprofiles.clients.http import HttpClient
from spanprofiles.clients.refusals import samples
from spanprofiles.model.amounts import age
from spanprofiles.waiting import Waiting

_METRICS = "/metrics"
_STARTED = "process_start_time_seconds"
_PAUSE_S = 0.5


@dataclass(frozen=True)
class Failures:
    """Where a server counts what it could not write, to its disk or to its bucket. None counts what a limit refused.

    Attributes:
        metrics: by name, the labels that a failure has; they are added up.
        move_within_s: if it goes on failing, a counter moves within so many seconds; None where that takes minutes.
    """

    metrics: Mapping[str, Mapping[str, str]]
    move_within_s: float | None = None


TEMPO_FAILURES = Failures(
    {
        "tempo_backend_scheduler_work_flushes_failed_total": {},
        "tempo_live_store_failed_completions_total": {},
        "tempo_live_store_local_failed_flushes_total": {},
        "tempo_block_builder_failed_flushes_total": {},
        "tempo_ingester_failed_flushes_total": {},
    }
)
PYROSCOPE_FAILURES = Failures(
    {"pyroscope_segment_writer_upload_duration_seconds_count": {"status": "error"}}, move_within_s=6.0
)


@dataclass(frozen=True)
class FailedWrites:
    """How often a server failed to write.

    Attributes:
        server: its name.
        count: since it started; 0 where it does not tell.
        running_s: how long it has been running, s, or None where it does not tell.
        goes_on: whether it failed again while it was watched; None where that was too soon to see.
    """

    server: str
    count: int = 0
    running_s: float | None = None
    goes_on: bool | None = None

    @property
    def is_past(self) -> bool:
        """Whether there is nothing to fear of it: it never failed, or it writes again."""
        return not self.count or self.goes_on is False

    @property
    def sentence(self) -> str:
        """What can be said of it; empty where there is nothing."""
        if not self.count:
            return ""
        since = "" if self.running_s is None else f" {age(self.running_s)} ago"
        now = {None: "", True: ", and goes on failing", False: ", but not during this check"}[self.goes_on]
        return f"{self.server} has failed to write to its storage {self.count} time(s) since it started{since}{now}"


#: Of a server that was not asked.
NONE_FAILED = FailedWrites("")


def failed_writes(http: HttpClient, failures: Failures) -> FailedWrites:
    """Ask a server how often it failed to write; one that shows no metrics, as a hosted one, has not failed.

    Where it has, it is asked again for some seconds, if they are enough to see that it goes on.

    Args:
        http: the server.
        failures: where it counts them.
    """
    count, running_s = _counted(http, failures)
    if not count or failures.move_within_s is None:
        return FailedWrites(http.server, count, running_s)
    now = count
    for _ in Waiting(failures.move_within_s, _PAUSE_S, _PAUSE_S).attempts():
        now, running_s = _counted(http, failures)
        if now != count:
            break
    return FailedWrites(http.server, now, running_s, goes_on=now > count)


def _counted(http: HttpClient, failures: Failures) -> tuple[int, float | None]:
    try:
        text = http.get(_METRICS).text
    except ClientError:
        return 0, None
    count, running_s = 0.0, None
    for name, labels, value in samples(text, {*failures.metrics, _STARTED}):
        if name == _STARTED:
            running_s = time.time() - value
        elif failures.metrics[name].items() <= labels.items():
            count += value
    return int(count), running_s
