"""Traces, CPU profiles and the link between them, for any Flask app. Nothing here depends on the rest of the app.

    telemetry = configure_telemetry(app)
    ...
    telemetry.shutdown()        # sends what is left, within a bounded time

Call it in the process that serves requests: a profiling agent does not survive a fork. What it is put together from is
in ``Parts``, each of which can be another. Everything else is set by the environment:

| variable | meaning |
|---|---|
| ``OTEL_SERVICE_NAME``, ``OTEL_RESOURCE_ATTRIBUTES`` | who is speaking; win over the defaults the app gives |
| ``OTEL_EXPORTER_OTLP_ENDPOINT`` (default ``http://localhost:4318``) and the exporter's others | where spans go |
| ``OTEL_BSP_SCHEDULE_DELAY`` (ms), ``OTEL_TRACES_SAMPLER``, ``OTEL_SDK_DISABLED`` and such | as the SDK has them |
| ``OTEL_PYTHON_FLASK_EXCLUDED_URLS`` | routes that are not traced, besides ``/health`` |
| ``OTEL_SEMCONV_STABILITY_OPT_IN`` (default ``http``) | names of HTTP attributes; ``http``: ``http.request.method`` |
| ``PYROSCOPE_SERVER_ADDRESS`` | where profiles go; without it nothing is profiled and no span carries a profile ID |
| ``PYROSCOPE_APPLICATION_NAME`` | the profiles' ``service_name``; the traces' service name by default |
| ``PYROSCOPE_UPLOAD_INTERVAL`` (default 10) | seconds between uploads, a whole number |
| ``PYROSCOPE_BASIC_AUTH_USER``, ``PYROSCOPE_BASIC_AUTH_PASSWORD``, ``PYROSCOPE_TENANT_ID`` | if the server asks |

The resource attributes ``region`` and ``host.name`` become the profiles' tags ``region`` and ``hostname``.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
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
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import Sampler
from pyroscope.otel import PyroscopeSpanProcessor

UNTRACED_URLS = r"^https?://[^/?]+/health(\?|$)"
"""Requests that make no span: what health checks ask all day long."""

TAGS_FROM_RESOURCE = {"region": "region", "host.name": "hostname"}
"""Which resource attribute becomes which tag of the profiles."""

SHUTDOWN_S = 1.2
"""How long the last spans and samples may take to be sent."""

REPEATED_AFTER_S = 60.0
"""An exporter that cannot reach its server says so this often."""

_logger = logging.getLogger(__name__)


class TelemetryError(ValueError):
    """A variable of the environment has a value the agent cannot use; the message names the variable."""


@dataclass(frozen=True)
class Parts:
    """What telemetry is put together from.

    Attributes:
        exporter: Makes what sends spans.
        sampler: Decides which traces are recorded; None for what the environment says.
        profile_processor: Makes the span processor that puts profile IDs on spans and labels on samples; None for none.
        start_agent: Starts the profiling agent with the arguments of ``pyroscope.configure``, and tells whether it did;
            None for no agent.
    """

    exporter: Callable[[], SpanExporter] = OTLPSpanExporter
    sampler: Sampler | None = None
    profile_processor: Callable[[], SpanProcessor] | None = PyroscopeSpanProcessor
    start_agent: Callable[..., bool] | None = pyroscope.configure


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
        """Read the settings from ``environment``, the process's own by default.

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
    """What ``configure_telemetry`` set up."""

    def __init__(self, provider: TracerProvider, *, profiled: bool) -> None:
        self._provider = provider
        self._profiled = profiled

    @property
    def profiled(self) -> bool:
        """Whether the profiling agent runs."""
        return self._profiled

    def instrument(self, app: Flask, untraced_urls: Sequence[str] = ()) -> None:
        """Make a span for each request of an app, except health checks.

        Args:
            app: The app to trace.
            untraced_urls: Regular expressions of further addresses whose requests make no span.
        """
        excluded = [UNTRACED_URLS, *untraced_urls, os.environ.get("OTEL_PYTHON_FLASK_EXCLUDED_URLS", "")]
        FlaskInstrumentor.instrument_app(
            app,
            tracer_provider=self._provider,
            excluded_urls=",".join(filter(None, excluded)),
            enable_commenter=False,
        )

    def shutdown(self, timeout_seconds: float = SHUTDOWN_S) -> bool:
        """Send what is left and stop; give up after ``timeout_seconds``.

        Returns:
            Whether everything has stopped. If not, some server did not answer, and threads that wait for it remain.
        """
        tasks: list[Callable[[], object]] = [self._provider.shutdown]
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
    parts: Parts | None = None,
) -> Telemetry:
    """Set up traces, profiles and their link for this process. Call it once, after the last fork.

    Args:
        app: The app to trace. Without one, call ``Telemetry.instrument`` when it is there.
        resource_defaults: Resource attributes for where the environment has none, such as ``service.name``.
        agent_settings: The agent's settings, read from the environment where None.
        parts: What to put telemetry together from; the usual parts where None.

    Raises:
        TelemetryError: A variable for the agent cannot be used.
    """
    settings = AgentSettings.from_environment() if agent_settings is None else agent_settings
    parts = Parts() if parts is None else parts
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http")
    logging.getLogger(OTLPSpanExporter.__module__).addFilter(_OnceInAWhile(REPEATED_AFTER_S))
    resource = make_resource(resource_defaults)
    provider = TracerProvider(sampler=parts.sampler, resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(parts.exporter()))
    profiled = False
    if settings.server_address is None:
        _logger.warning("PYROSCOPE_SERVER_ADDRESS is not set: nothing is profiled, and no span carries a profile ID")
    else:
        if parts.profile_processor is not None:
            provider.add_span_processor(parts.profile_processor())
        if parts.start_agent is not None:
            profiled = start_agent(settings, resource, parts.start_agent)
    trace.set_tracer_provider(provider)
    RequestsInstrumentor().instrument(tracer_provider=provider)
    telemetry = Telemetry(provider, profiled=profiled)
    if app is not None:
        telemetry.instrument(app)
    return telemetry


def make_resource(defaults: Mapping[str, str] | None = None) -> Resource:
    """Make the resource that says who is speaking: what the environment has, and ``defaults`` for the rest."""
    return Resource.create({**(defaults or {}), **OTELResourceDetector().detect().attributes})


def start_agent(settings: AgentSettings, resource: Resource, start: Callable[..., bool] = pyroscope.configure) -> bool:
    """Start the profiling agent in this process; ``settings`` must name a server.

    Args:
        settings: The agent's settings.
        resource: Who is speaking.
        start: Takes the arguments of ``pyroscope.configure``.

    Returns:
        Whether it runs.
    """
    attributes = resource.attributes
    started = start(
        application_name=settings.application_name or str(attributes["service.name"]),
        server_address=settings.server_address,
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
