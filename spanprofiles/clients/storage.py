"""Whether a server says that it failed to write: it then takes what is sent to it, says that it is ready, and loses it.

Sources: the metrics of Tempo 2 and 3 and of Pyroscope 2, in Prometheus's text format.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from spanprofiles.clients.errors import ClientError
from spanprofiles.clients.http import HttpClient
from spanprofiles.clients.refusals import samples

_METRICS = "/metrics"
_STARTED = "process_start_time_seconds"
_MINUTE_S, _HOUR_S = 60, 3600

#: Counters of what could not be written: to the disk, or to a bucket. None counts what a limit refused.
TEMPO_FAILURES = frozenset(
    {
        "tempo_backend_scheduler_work_flushes_failed_total",
        "tempo_live_store_failed_completions_total",
        "tempo_live_store_local_failed_flushes_total",
        "tempo_block_builder_failed_flushes_total",
        "tempo_ingester_failed_flushes_total",
    }
)
PYROSCOPE_FAILURES = frozenset({"pyroscope_segment_flush_service_head_errors"})


@dataclass(frozen=True)
class FailedWrites:
    """How often a server failed to write.

    Attributes:
        server: its name.
        count: since it started; 0 where it does not tell.
        running_s: how long it has been running, s, or None where it does not tell.
    """

    server: str
    count: int = 0
    running_s: float | None = None

    @property
    def sentence(self) -> str:
        """What can be said of it; empty where there is nothing."""
        if not self.count:
            return ""
        since = "" if self.running_s is None else f" {_lasting(self.running_s)} ago"
        return f"{self.server} has failed to write to its storage {self.count} time(s) since it started{since}"


#: Of a server that was not asked.
NONE_FAILED = FailedWrites("")


def failed_writes(http: HttpClient, counters: frozenset[str]) -> FailedWrites:
    """Ask a server how often it failed to write; one that shows no metrics, as a hosted one, has not failed.

    Args:
        http: the server.
        counters: its metrics, which are added up.
    """
    try:
        text = http.get(_METRICS).text
    except ClientError:
        return FailedWrites(http.server)
    count, running_s = 0.0, None
    for name, _, value in samples(text, {*counters, _STARTED}):
        if name == _STARTED:
            running_s = time.time() - value
        else:
            count += value
    return FailedWrites(http.server, int(count), running_s)


def _lasting(seconds: float) -> str:
    if seconds >= 2 * _HOUR_S:
        return f"{seconds / _HOUR_S:.0f} h"
    return f"{seconds / _MINUTE_S:.0f} min" if seconds >= 2 * _MINUTE_S else f"{max(0.0, seconds):.0f} s"
