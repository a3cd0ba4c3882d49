"""The observatory computes where a comet will be: GET /comet. Its telemetry is in order; the mistakes are elsewhere."""

import os

import pyroscope
from flask import Flask
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from pyroscope.otel import PyroscopeSpanProcessor
from waitress import serve

app = Flask(__name__)


def follow_comet(nights):
    """Follow the comet from one night to the next."""
    place = 7
    for night in range(nights):
        place = (place * 31 + night) % 1_000_003
    return place


@app.get("/comet")
def comet():
    return {"place": follow_comet(2_000_000)}


@app.get("/health")
def health():
    return {"ready": True}


def main():
    provider = TracerProvider(resource=Resource.create({"service.namespace": "sky"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    provider.add_span_processor(PyroscopeSpanProcessor())
    FlaskInstrumentor().instrument_app(app, tracer_provider=provider, excluded_urls="health")
    pyroscope.configure(
        application_name=os.environ["OTEL_SERVICE_NAME"],
        server_address=os.environ["PYROSCOPE_SERVER_ADDRESS"],
        upload_interval=int(os.environ["PYROSCOPE_UPLOAD_INTERVAL"]),
    )
    serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=4)


if __name__ == "__main__":
    main()
