"""Traces, CPU profiles and the link between them, for any Flask app. Nothing here depends on the rest of the app.

    telemetry = configure_telemetry(app)
    ...
    telemetry.shutdown()        # sends what is left, within a bounded time

Call it in the process that serves requests: a profiling agent does not survive a fork. Everything is set by the
environment:

| variable | meaning |
|---|---|
| `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES` | who is speaking; win over the defaults the app gives |
| `OTEL_EXPORTER_OTLP_ENDPOINT` (default `http://localhost:4318`) and the exporter's others | where spans go |
| `OTEL_BSP_SCHEDULE_DELAY` (ms), `OTEL_TRACES_SAMPLER`, `OTEL_SDK_DISABLED` and such | as the SDK has them |
| `OTEL_PYTHON_FLASK_EXCLUDED_URLS` | routes that are not traced, besides `/health` |
| `OTEL_SEMCONV_STABILITY_OPT_IN` (default `http`) | which names HTTP attributes have; `http`: `http.request.method` |
| `PYROSCOPE_SERVER_ADDRESS` | where profiles go; without it nothing is profiled and no span carries a profile ID |
| `PYROSCOPE_APPLICATION_NAME` | the profiles' `service_name`; the traces' service name by default |
| `PYROSCOPE_UPLOAD_INTERVAL` (default 10) | seconds between uploads, a whole number |
| `PYROSCOPE_BASIC_AUTH_USER`, `PYROSCOPE_BASIC_AUTH_PASSWORD`, `PYROSCOPE_TENANT_ID` | for servers that ask for them |

The resource attributes `region` and `host.name` become the profiles' tags `region` and `hostname`.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock, Thread
from urllib.parse import urlsplit

import pyroscope
from flask import Flask
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from pyroscope.otel import PyroscopeSpanProcessor

UNTRACED_URLS = r"^https?://[^/?]+/health(\?|$)"
"""Requests that make no span: what health checks ask all day long."""

TAGS_FROM_RESOURCE = {"region": "region", "host.name": "hostname"}
"""Which resource attribute becomes which tag of the profiles."""

SHUTDOWN_SECONDS = 1.2
"""How long the last spans and samples may take to be sent."""

REPEATED_AFTER_SECONDS = 60.0
"""An exporter that cannot reach its server says so this often."""

_logger = logging.getLogger(__name__)


class TelemetryError(ValueError):
    """A variable of the environment has a value the agent cannot use; the message names the variable."""


@dataclass(frozen=True)
class AgentSettings:
    """Settings of the profiling agent; the module's docstring has their meanings."""

    server_address: str | None = None
    application_name: str | None = None
    upload_interval_seconds: int = 10
    basic_auth_user: str = ""
    basic_auth_password: str = field(default="", repr=False)
    tenant_id: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> AgentSettings:
        """Read the settings from `environment`, the process's own by default.

        Raises:
            TelemetryError: A value cannot be used.
        """
        source = os.environ if environment is None else environment
        return cls(
            server_address=_server_address(source.get("PYROSCOPE_SERVER_ADDRESS", "").strip()),
            application_name=source.get("PYROSCOPE_APPLICATION_NAME", "").strip() or None,
            upload_interval_seconds=_whole_seconds(source.get("PYROSCOPE_UPLOAD_INTERVAL", "").strip() or "10"),
            basic_auth_user=source.get("PYROSCOPE_BASIC_AUTH_USER", ""),
            basic_auth_password=source.get("PYROSCOPE_BASIC_AUTH_PASSWORD", ""),
            tenant_id=source.get("PYROSCOPE_TENANT_ID", ""),
        )


def _server_address(value: str) -> str | None:
    if not value:
        return None
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        # An address may hold a password: it is not repeated.
        raise TelemetryError("PYROSCOPE_SERVER_ADDRESS must be a URL, such as http://127.0.0.1:4040")
    return value


def _whole_seconds(value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", value) or int(value) < 1:
        raise TelemetryError(f"PYROSCOPE_UPLOAD_INTERVAL is {value!r}; it must be a whole number of seconds from 1")
    return int(value)


class Telemetry:
    """What `configure_telemetry` set up."""

    def __init__(self, provider: TracerProvider, *, profiled: bool) -> None:
        self._provider = provider
        self._profiled = profiled

    @property
    def profiled(self) -> bool:
        """Whether the profiling agent runs."""
        return self._profiled

    def instrument(self, app: Flask) -> None:
        """Make a span for each request of an app, except health checks."""
        excluded = [UNTRACED_URLS, os.environ.get("OTEL_PYTHON_FLASK_EXCLUDED_URLS", "")]
        FlaskInstrumentor.instrument_app(
            app,
            tracer_provider=self._provider,
            excluded_urls=",".join(filter(None, excluded)),
            enable_commenter=False,
        )

    def shutdown(self, timeout_seconds: float = SHUTDOWN_SECONDS) -> bool:
        """Send what is left and stop; give up after `timeout_seconds`.

        Returns:
            Whether everything has stopped. If not, some server did not answer, and threads that wait for it remain.
        """
        tasks = [self._provider.shutdown]
        if self._profiled:
            tasks.append(pyroscope.shutdown)
        # Neither library bounds its own shutdown, and each may wait for another server: side by side, then.
        threads = [Thread(target=task, name="telemetry-shutdown", daemon=True) for task in tasks]
        deadline = time.monotonic() + timeout_seconds
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)


def configure_telemetry(
    app: Flask | None = None,
    *,
    resource_defaults: Mapping[str, str] | None = None,
    agent_settings: AgentSettings | None = None,
    with_processor: bool = True,
    with_agent: bool = True,
) -> Telemetry:
    """Set up traces, profiles and their link for this process. Call it once, after the last fork.

    Args:
        app: The app to trace. Without one, call `Telemetry.instrument` when it is there.
        resource_defaults: Resource attributes for where the environment has none, such as `service.name`.
        agent_settings: The agent's settings, read from the environment where None.
        with_processor: False leaves out the span processor: spans carry no profile ID.
        with_agent: False leaves out the agent: the profile IDs lead nowhere.

    Raises:
        TelemetryError: A variable for the agent cannot be used.
    """
    settings = AgentSettings.from_environment() if agent_settings is None else agent_settings
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http")
    logging.getLogger(OTLPSpanExporter.__module__).addFilter(_OnceInAWhile(REPEATED_AFTER_SECONDS))
    from_environment = OTELResourceDetector().detect().attributes
    resource = Resource.create({**(resource_defaults or {}), **from_environment})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    profiled = False
    if settings.server_address is None:
        _logger.warning("PYROSCOPE_SERVER_ADDRESS is not set: nothing is profiled, and no span carries a profile ID")
    else:
        if with_processor:
            provider.add_span_processor(PyroscopeSpanProcessor())
        if with_agent:
            profiled = _start_agent(settings, settings.server_address, resource)
    trace.set_tracer_provider(provider)
    RequestsInstrumentor().instrument(tracer_provider=provider)
    telemetry = Telemetry(provider, profiled=profiled)
    if app is not None:
        telemetry.instrument(app)
    return telemetry


def _start_agent(settings: AgentSettings, server_address: str, resource: Resource) -> bool:
    attributes = resource.attributes
    started = pyroscope.configure(
        application_name=settings.application_name or str(attributes["service.name"]),
        server_address=server_address,
        basic_auth_username=settings.basic_auth_user,
        basic_auth_password=settings.basic_auth_password,
        tenant_id=settings.tenant_id,
        upload_interval=settings.upload_interval_seconds,
        tags={tag: str(attributes[name]) for name, tag in TAGS_FROM_RESOURCE.items() if name in attributes},
    )
    if not started:
        _logger.error("the profiling agent did not start: profile IDs lead nowhere")
    return bool(started)


class _OnceInAWhile(logging.Filter):
    """Lets one message pass and holds back those of the next so many seconds: a server that is down stays down."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        self._lock = Lock()
        self._quiet_until = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the message may pass."""
        if record.levelno < logging.WARNING:
            return True
        with self._lock:
            if time.monotonic() < self._quiet_until:
                return False
            self._quiet_until = time.monotonic() + self._seconds
            return True
