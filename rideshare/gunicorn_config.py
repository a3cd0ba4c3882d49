"""How gunicorn runs one region: ``gunicorn -c python:rideshare.gunicorn_config "rideshare.app:create_app()"``.

One worker process with eight threads. The worker, and not its parent, sets up telemetry: the profiling agent does not
survive the fork. Bad settings end the parent before there is a worker.
"""

from __future__ import annotations

import os
import signal
import socket
from functools import partial
from typing import Any

from rideshare.admin import UNTRACED_URLS
from rideshare.faults.wiring import agent_of_the_master, break_parts
from rideshare.processors import make_processor
from rideshare.settings import Settings, SettingsError, refuse_to_start
from rideshare.telemetry import (
    AgentSettings,
    Parts,
    TelemetryError,
    configure_telemetry,
    make_resource,
    start_agent,
)

try:
    _settings = Settings.from_environment()
    _agent_settings = AgentSettings.from_environment()
except (SettingsError, TelemetryError) as _error:
    refuse_to_start(_error)

bind = _settings.bind
workers = 1
worker_class = "gthread"
threads = 8
# A connection is for one request: a worker that stops would otherwise wait two seconds for those that are kept open.
keepalive = 0
graceful_timeout = 5
accesslog = None
loglevel = "warning"
control_socket_disable = True

_parts = Parts(profile_processor=partial(make_processor, _settings.processor))
_resource_defaults = {
    "service.name": "ride-sharing-app",
    "region": _settings.region.name,
    "host.name": socket.gethostname(),
}


def on_starting(server: Any) -> None:  # noqa: ARG001 - gunicorn calls it with the server
    """Start the agent in the parent if that is the fault to show: it sees nothing there of what the worker does."""
    start = agent_of_the_master(_parts, _settings.faults)
    if start is not None and _agent_settings.server_address is not None:
        start_agent(_agent_settings, make_resource(_resource_defaults), start)


def post_fork(server: Any, worker: Any) -> None:  # noqa: ARG001 - gunicorn calls it with both
    """Set up telemetry in the worker, before its threads start."""
    worker.telemetry = configure_telemetry(
        resource_defaults=_resource_defaults,
        agent_settings=_agent_settings,
        parts=break_parts(_parts, _settings.faults),
    )


def post_worker_init(worker: Any) -> None:
    """Trace the requests of the app, which has just been loaded."""
    worker.telemetry.instrument(worker.wsgi, untraced_urls=[UNTRACED_URLS])


def worker_exit(server: Any, worker: Any) -> None:  # noqa: ARG001 - gunicorn calls it with both
    """Send the last spans and samples, within a bounded time."""
    telemetry = getattr(worker, "telemetry", None)
    if telemetry is None:
        return
    # Ctrl-C in a terminal reaches the worker twice, from there and from its parent: once is enough.
    for again in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(again, signal.SIG_IGN)
    if not telemetry.shutdown():
        # A thread that waits for a silent server would hold up the interpreter's own end.
        os._exit(0)
