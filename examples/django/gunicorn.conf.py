"""Telemetry starts in each worker, after the fork."""

import os

import pyroscope
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from pyroscope.otel import PyroscopeSpanProcessor

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")

worker_class = "gthread"
workers = 2
threads = 4
control_socket_disable = True


def post_fork(server, worker):
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    if os.environ.get("BASKET_PROCESSOR") != "none":
        provider.add_span_processor(PyroscopeSpanProcessor())
    trace.set_tracer_provider(provider)
    DjangoInstrumentor().instrument()
    pyroscope.configure(
        application_name=os.environ["OTEL_SERVICE_NAME"],
        server_address=os.environ["PYROSCOPE_SERVER_ADDRESS"],
        upload_interval=int(os.environ.get("PYROSCOPE_UPLOAD_INTERVAL", "10")),
        tags={"pid": str(worker.pid)},
    )
