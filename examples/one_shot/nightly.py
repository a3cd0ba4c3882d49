"""A job of the night: one span, one profile, and then it ends. Run: python nightly.py"""

import os

import pyroscope
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from pyroscope.otel import PyroscopeSpanProcessor


def add_up_sales(count=1_500_000):
    return sum(number * number % 7 for number in range(count))


def main():
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    provider.add_span_processor(PyroscopeSpanProcessor())
    trace.set_tracer_provider(provider)
    pyroscope.configure(
        application_name=os.environ["OTEL_SERVICE_NAME"],
        server_address=os.environ["PYROSCOPE_SERVER_ADDRESS"],
        upload_interval=int(os.environ.get("PYROSCOPE_UPLOAD_INTERVAL", "10")),
    )
    with trace.get_tracer("nightly").start_as_current_span("nightly report"):
        print(add_up_sales())
    provider.shutdown()
    if os.environ.get("NIGHTLY_ENDS") == "in a hurry":
        os._exit(0)  # the last upload is lost: the agent sends it as Python ends
    pyroscope.shutdown()


if __name__ == "__main__":
    main()
