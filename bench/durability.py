"""What the embedded pair loses when it is killed under load: what it had acknowledged, or a part of a batch.

It is sent spans and profiles over several connections, is ended with SIGKILL at a random moment, and is started again
on the same data. Then it is asked for what was sent since the last start, and at the end for all that was ever sent.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanprofiles.backends.embedded import EmbeddedBackend
from spanprofiles.clients import ProfileQuery, PyroscopeClient, TempoClient
from spanprofiles.model import Endpoints
from tests.support.pprof_writer import push

SERVICE = "durability"
SPANS_IN_BATCH = 40
CPU_NS = 10_000_000
SENDERS_OF_EACH = 3
LONGEST_S = 0.5
"""The process is killed at most so long after its first acknowledgement."""
ANSWER_S = 60.0


@dataclass
class Sent:
    """What was sent, by the trace ID of a batch or the span ID of a profile.

    Attributes:
        all: everything, whether there was an answer or not.
        acknowledged: what was answered with 200.
    """

    all: list[str] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)

    def add(self, others: Sent) -> None:
        """Add what was sent in another round."""
        self.all += others.all
        self.acknowledged |= others.acknowledged


def export_of(trace_id: str) -> bytes:
    """Return an export of one trace."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = SERVICE
    now_ns = time.time_ns()
    spans = group.scope_spans.add().spans
    for number in range(1, SPANS_IN_BATCH + 1):
        span = spans.add(trace_id=bytes.fromhex(trace_id), span_id=number.to_bytes(8, "big"), name=f"step {number}")
        span.start_time_unix_nano, span.end_time_unix_nano = now_ns, now_ns + 1_000_000
    return request.SerializeToString()


def profile_of(span_id: str) -> bytes:
    """Return a push of the profile of one span."""
    sample = {"stack": ["work", "main"], "values": [CPU_NS], "labels": {"span_id": span_id}}
    profile = {"t": 0, "types": [["cpu", "nanoseconds"]], "samples": [sample]}
    return push(
        [{"labels": {"__name__": "process_cpu", "service_name": SERVICE}, "profiles": [profile]}], int(time.time())
    )


def keep_sending(
    url: str, kind: str, ids: Iterator[str], body_of: Callable[[str], bytes], sent: Sent, acknowledged: threading.Event
) -> None:
    """Send until nobody answers."""
    with requests.Session() as session, contextlib.suppress(requests.RequestException):
        for identity in ids:
            sent.all.append(identity)
            answer = session.post(url, body_of(identity), headers={"Content-Type": kind}, timeout=ANSWER_S)
            if answer.status_code != requests.codes.ok:
                raise SystemExit(f"{url} was answered with {answer.status_code}: {answer.text[:300]}")
            sent.acknowledged.add(identity)
            acknowledged.set()


def sent_until_killed(backend: EmbeddedBackend, endpoints: Endpoints, chance: random.Random) -> tuple[Sent, Sent]:
    """Send spans and profiles until the process is killed, at a random moment; return what was sent of each."""
    spans, profiles, acknowledged = Sent(), Sent(), threading.Event()

    def ids(bits: int) -> Iterator[str]:
        own = random.Random(chance.getrandbits(64))
        while True:
            yield f"{own.getrandbits(bits):0{bits // 4}x}"

    ways = (
        (f"{endpoints.otlp_http}/v1/traces", "application/x-protobuf", 128, export_of, spans),
        (f"{endpoints.pyroscope}/push.v1.PusherService/Push", "application/proto", 64, profile_of, profiles),
    )
    threads = [
        threading.Thread(target=keep_sending, args=(url, kind, ids(bits), body_of, sent, acknowledged))
        for url, kind, bits, body_of, sent in ways
        for _ in range(SENDERS_OF_EACH)
    ]
    for thread in threads:
        thread.start()
    if not acknowledged.wait(ANSWER_S):
        raise SystemExit(f"nothing was acknowledged within {ANSWER_S:g} s")
    time.sleep(chance.uniform(0.0, LONGEST_S))
    os.kill(backend.process.pid, signal.SIGKILL)
    for thread in threads:
        thread.join()
    return spans, profiles


class Finder:
    """Asks a pair what it has."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._tempo, self._pyroscope = TempoClient(endpoints.tempo), PyroscopeClient(endpoints.pyroscope)

    def spans(self, trace_id: str) -> int:
        """Return how many spans of a batch are there."""
        trace = self._tempo.trace(trace_id)
        return len(trace.spans) if trace else 0

    def profiles(self, span_id: str) -> int:
        """Return how many profiles of a span are there."""
        now_ms = time.time_ns() // 10**6
        query = ProfileQuery(f'{{service_name="{SERVICE}"}}', now_ms - 23 * 3_600_000, now_ms + 10_000)
        return self._pyroscope.span_profile(query, [span_id]).total // CPU_NS


def faults(found: Callable[[str], int], sent: Sent, whole: int) -> tuple[int, int]:
    """Return how much of what was sent is lost though acknowledged, and how much is there in part."""
    counts = {identity: found(identity) for identity in sent.all}
    lost = sum(counts[identity] != whole for identity in sent.acknowledged)
    return lost, sum(count not in {0, whole} for count in counts.values())


def main() -> int:
    """Kill it so many times; return 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    options = parser.parse_args()
    chance = random.Random(options.seed)  # moments, no secret
    all_spans, all_profiles = Sent(), Sent()
    lost = half = 0

    def check(endpoints: Endpoints, spans: Sent, profiles: Sent) -> None:
        nonlocal lost, half
        finder = Finder(endpoints)
        for found, sent, whole in ((finder.spans, spans, SPANS_IN_BATCH), (finder.profiles, profiles, 1)):
            more_lost, more_half = faults(found, sent, whole)
            lost, half = lost + more_lost, half + more_half

    with tempfile.TemporaryDirectory(prefix="spanprofiles-bench-") as folder:
        spans, profiles = Sent(), Sent()
        for number in range(options.kills):
            backend = EmbeddedBackend(data_directory=Path(folder))
            with backend as endpoints:
                check(endpoints, spans, profiles)
                spans, profiles = sent_until_killed(backend, endpoints, chance)
            all_spans.add(spans)
            all_profiles.add(profiles)
            if not (number + 1) % 10:
                print(f"{number + 1} kills: {lost} lost, {half} in part", flush=True)
        with EmbeddedBackend(data_directory=Path(folder)) as endpoints:
            check(endpoints, all_spans, all_profiles)
    batches, uploads = len(all_spans.acknowledged), len(all_profiles.acknowledged)
    unanswered = len(all_spans.all) + len(all_profiles.all) - batches - uploads
    print(f"{options.kills} times SIGKILL, load average {os.getloadavg()[0]:.0f} on {os.cpu_count()} processors")
    print(f"acknowledged: {batches} exports of {SPANS_IN_BATCH} spans, {uploads} profiles; not answered: {unanswered}")
    print(f"acknowledged and lost: {lost}; there in part: {half}")
    return 1 if lost or half else 0


if __name__ == "__main__":
    sys.exit(main())
