"""Configuration of Tempo and Pyroscope: nothing they refuse, and tuned for a link within seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.pprof_writer import block, number, numbers
from tests.support.repository import ROOT, Json, read_yaml

TEMPO = ROOT / "tempo" / "tempo.yaml"
PYROSCOPE = ROOT / "pyroscope" / "pyroscope.yaml"
PROFILE = ROOT / "pyroscope" / "health-check.pprof"

# Tempo 3 ends at start when it sees one of these.
REFUSED_SECTIONS = ("ingester", "compactor", "ingest")
# The overrides of Tempo 2 were flat; those of 3 are in groups below `defaults`.
OVERRIDE_GROUPS = {
    "defaults",
    "per_tenant_override_config",
    "per_tenant_override_period",
    "user_configurable_overrides",
}


def what_tempo_refuses(settings: Json) -> Iterator[str]:
    """Find what Tempo 3 does not start with."""
    for section in REFUSED_SECTIONS:
        if section in settings:
            yield f"Tempo 3 refuses {section}"
    if "opencensus" in settings.get("distributor", {}).get("receivers", {}):
        yield "Tempo 3 refuses the receiver opencensus"
    for flat in sorted(settings.get("overrides", {}).keys() - OVERRIDE_GROUPS):
        yield f"Tempo 3 refuses the flat override {flat}"


def faults_of_tempo(settings: Json) -> Iterator[str]:
    """Find what would make Tempo slow, deaf, forgetful or talkative."""
    protocols = settings.get("distributor", {}).get("receivers", {}).get("otlp", {}).get("protocols", {})
    for protocol, port in (("http", 4318), ("grpc", 4317)):
        endpoint = (protocols.get(protocol) or {}).get("endpoint")
        if endpoint != f"0.0.0.0:{port}":
            yield f"OTLP over {protocol} listens on {endpoint}, which nobody outside the container reaches"
    if settings.get("usage_report", {}).get("reporting_enabled") is not False:
        yield "Tempo reports its use to the vendor"
    if settings.get("query_frontend", {}).get("query_end_cutoff") != "0s":
        yield "a search leaves out the newest spans"
    for key in ("flush_check_period", "max_trace_idle"):
        if settings.get("live_store", {}).get(key) != "500ms":
            yield f"live_store.{key} keeps spans from being found within 2 s"
    if settings.get("backend_worker", {}).get("finish_on_shutdown_timeout") != "1s":
        yield "Tempo takes half a minute to end"
    for part in ("local", "wal"):
        path = settings.get("storage", {}).get("trace", {}).get(part, {}).get("path", "")
        if not path.startswith("/var/tempo/"):
            yield f"storage.trace.{part} is outside the volume"


def faults_of_pyroscope(settings: Json) -> Iterator[str]:
    """Find what would make Pyroscope slow to start, silent about itself or talkative."""
    if settings.get("architecture_storage") != "v2":
        yield "both storages are written"
    if settings.get("metastore", {}).get("min_ready_duration") != "0s":
        yield "the metastore waits before it is ready"
    if settings.get("segment_writer", {}).get("lifecycler", {}).get("min_ready_duration") != "0s":
        yield "the segment writer waits before it is ready"
    if settings.get("tracing") != {"enabled": True, "profiling_enabled": True}:
        yield "Pyroscope's own spans have no profiles"
    if settings.get("self_profiling", {}).get("disable_push"):
        yield "Pyroscope does not profile itself"
    if settings.get("analytics", {}).get("reporting_enabled") is not False:
        yield "Pyroscope reports its use to the vendor"


def test_tempo_is_configured_without_a_fault() -> None:
    assert [*what_tempo_refuses(read_yaml(TEMPO)), *faults_of_tempo(read_yaml(TEMPO))] == []


def test_pyroscope_is_configured_without_a_fault() -> None:
    assert list(faults_of_pyroscope(read_yaml(PYROSCOPE))) == []


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda it: it.update(ingester={}), "Tempo 3 refuses ingester"),
        (lambda it: it.update(compactor={}), "Tempo 3 refuses compactor"),
        (lambda it: it.update(ingest={"enabled": True}), "Tempo 3 refuses ingest"),
        (
            lambda it: it["distributor"]["receivers"].update(opencensus=None),
            "Tempo 3 refuses the receiver opencensus",
        ),
        (
            lambda it: it["overrides"].update(max_traces_per_user=1),
            "Tempo 3 refuses the flat override max_traces_per_user",
        ),
        (
            lambda it: it["distributor"]["receivers"]["otlp"]["protocols"].update(http=None),
            "OTLP over http listens on None, which nobody outside the container reaches",
        ),
        (lambda it: it.pop("usage_report"), "Tempo reports its use to the vendor"),
        (lambda it: it.pop("query_frontend"), "a search leaves out the newest spans"),
        (lambda it: it.pop("live_store"), "live_store.max_trace_idle keeps spans from being found within 2 s"),
        (lambda it: it.pop("backend_worker"), "Tempo takes half a minute to end"),
        (lambda it: it["storage"]["trace"]["wal"].update(path="/wal"), "storage.trace.wal is outside the volume"),
    ],
)
def test_a_broken_tempo_configuration_is_found_out(damage: Callable[[Json], None], fault: str) -> None:
    settings = read_yaml(TEMPO)
    damage(settings)
    assert fault in [*what_tempo_refuses(settings), *faults_of_tempo(settings)]


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda it: it.pop("architecture_storage"), "both storages are written"),
        (lambda it: it.pop("metastore"), "the metastore waits before it is ready"),
        (lambda it: it.pop("segment_writer"), "the segment writer waits before it is ready"),
        (lambda it: it["tracing"].update(profiling_enabled=False), "Pyroscope's own spans have no profiles"),
        (lambda it: it.update(self_profiling={"disable_push": True}), "Pyroscope does not profile itself"),
        (lambda it: it.pop("analytics"), "Pyroscope reports its use to the vendor"),
    ],
)
def test_a_broken_pyroscope_configuration_is_found_out(damage: Callable[[Json], None], fault: str) -> None:
    settings = read_yaml(PYROSCOPE)
    damage(settings)
    assert fault in list(faults_of_pyroscope(settings))


def test_the_profile_of_the_health_check_is_one_sample_of_10_ms() -> None:
    """It is a binary file: this is what it is made of (pprof's `Profile`)."""
    texts = ["", "cpu", "nanoseconds", "push_and_read_back"]
    cpu_nanoseconds = number(1, texts.index("cpu")) + number(2, texts.index("nanoseconds"))
    parts = [
        block(1, cpu_nanoseconds),  # sample type
        block(2, numbers(1, [1]) + numbers(2, [10_000_000])),  # sample: location 1, its value
        block(4, number(1, 1) + block(4, number(1, 1))),  # location 1: in function 1
        block(5, number(1, 1) + number(2, texts.index("push_and_read_back"))),  # function 1
        *(block(6, text.encode()) for text in texts),
        block(11, cpu_nanoseconds),  # period type
        number(12, 10_000_000),  # period
    ]
    assert PROFILE.read_bytes() == b"".join(parts)
