"""A job whose processor labels every span: hardly any work is its local root span's own, most is that of two children.

Run: python assembly_line.py
"""

from __future__ import annotations

import os
import time

import pyroscope
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from spanprofiles_processor import SpanProfileProcessor

CPU_S = 0.3


def turn() -> None:
    """Compute for a while of this thread's own CPU time, however busy the machine is."""
    end = time.thread_time() + CPU_S
    while time.thread_time() < end:
        sum(range(1000))


def saw() -> None:
    turn()


def sand() -> None:
    turn()


def main() -> None:
    provider = TracerProvider()
    provider.add_span_processor(SpanProfileProcessor(root_span_only=False))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    tracer = provider.get_tracer("assembly line")
    pyroscope.configure(
        application_name=os.environ["OTEL_SERVICE_NAME"],
        server_address=os.environ["PYROSCOPE_SERVER_ADDRESS"],
        upload_interval=int(os.environ["PYROSCOPE_UPLOAD_INTERVAL"]),
    )
    with tracer.start_as_current_span("build a chair"):
        with tracer.start_as_current_span("saw the legs"):
            saw()
        with tracer.start_as_current_span("sand the seat"):
            sand()
    provider.shutdown()
    pyroscope.shutdown()


if __name__ == "__main__":
    main()
