"""Configures the real servers for a demo or a test run: data is visible within a second, and no usage is reported.

The servers' defaults are made for clusters: a search finds a trace after half a minute, and Pyroscope takes as long to
get ready.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

LOOPBACK = "127.0.0.1"

#: What of Tempo 3 must be tuned, wherever it runs: search finds a span after about a second, and Grafana may stream.
TEMPO_TUNING: Mapping[str, Any] = {
    "usage_report": {"reporting_enabled": False},
    "query_frontend": {"query_end_cutoff": "0s"},
    "stream_over_http_enabled": True,
    "live_store": {"flush_check_period": "1s", "max_trace_idle": "1s", "max_trace_live": "5s"},
}

#: The same of Pyroscope 2: ready at once, one storage, no profiles of itself.
PYROSCOPE_TUNING: tuple[str, ...] = (
    "-architecture.storage=v2",
    "-usage-stats.enabled=false",
    "-self-profiling.disable-push=true",
    "-segment-writer.min-ready-duration=0s",
    "-metastore.min-ready-duration=0s",
)


def tempo_on_loopback(ports: Mapping[str, int], data: Path) -> dict[str, Any]:
    """Return the configuration of a private Tempo.

    Args:
        ports: ``http``, ``otlp_http``, ``grpc``, ``memberlist``.
        data: the folder for everything it writes.
    """
    ring = {"ring": {"instance_addr": LOOPBACK}}
    own = f"{LOOPBACK}:{ports['grpc']}"
    return {
        **TEMPO_TUNING,
        "target": "all",
        "server": {
            "http_listen_address": LOOPBACK,
            "http_listen_port": ports["http"],
            "grpc_listen_address": LOOPBACK,
            "grpc_listen_port": ports["grpc"],
            "log_level": "warn",
        },
        "memberlist": {
            "bind_addr": [LOOPBACK],
            "bind_port": ports["memberlist"],
            "advertise_addr": LOOPBACK,
            "advertise_port": ports["memberlist"],
        },
        "distributor": {
            **ring,
            "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"{LOOPBACK}:{ports['otlp_http']}"}}}},
        },
        "querier": {"frontend_worker": {"frontend_address": own}},
        "metrics_generator": ring,
        "backend_worker": {**ring, "backend_scheduler_addr": own},
        "backend_scheduler": {"local_work_path": str(data / "work")},
        "block_builder": {"wal": {"path": str(data / "block-builder")}},
        "live_store": {
            **TEMPO_TUNING["live_store"],
            **ring,
            "wal": {"path": str(data / "live-store")},
            "shutdown_marker_dir": str(data / "shutdown-marker"),
        },
        "storage": {
            "trace": {
                "backend": "local",
                "local": {"path": str(data / "blocks")},
                "wal": {"path": str(data / "wal")},
            }
        },
    }


def pyroscope_on_loopback(ports: Mapping[str, int], data: Path) -> list[str]:
    """Return the arguments of a private Pyroscope.

    A Pyroscope that listens on the loopback address must also *advertise* it. By default it advertises the address of
    the first network interface, says that it is ready, and refuses every push.

    Args:
        ports: ``http``, ``grpc``, ``raft``, ``memberlist``.
        data: the folder for everything it writes.
    """
    grpc, raft = f"{LOOPBACK}:{ports['grpc']}", f"{LOOPBACK}:{ports['raft']}"
    return [
        *PYROSCOPE_TUNING,
        f"-server.http-listen-address={LOOPBACK}",
        f"-server.http-listen-port={ports['http']}",
        f"-server.grpc-listen-address={LOOPBACK}",
        f"-server.grpc-listen-port={ports['grpc']}",
        f"-metastore.address={grpc}",
        f"-query-backend.address={grpc}",
        f"-metastore.raft.bind-address={raft}",
        f"-metastore.raft.advertise-address={raft}",
        f"-metastore.raft.server-id={raft}",
        f"-memberlist.bind-addr={LOOPBACK}",
        f"-memberlist.bind-port={ports['memberlist']}",
        f"-memberlist.advertise-addr={LOOPBACK}",
        f"-memberlist.advertise-port={ports['memberlist']}",
        f"-segment-writer.lifecycler.addr={LOOPBACK}",
        f"-distributor.ring.instance-addr={LOOPBACK}",
        f"-overrides-exporter.ring.instance-addr={LOOPBACK}",
        f"-query-frontend.instance-addr={LOOPBACK}",
        f"-query-scheduler.ring.instance-addr={LOOPBACK}",
        f"-compaction-worker.temp-dir={data / 'compaction'}",
    ]
