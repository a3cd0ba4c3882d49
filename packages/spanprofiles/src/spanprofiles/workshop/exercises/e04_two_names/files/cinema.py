"""The cinema sells seats: GET /seat?row=7."""

import os

import pyroscope
from flask import Flask, request
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from pyroscope.otel import PyroscopeSpanProcessor
from waitress import serve

app = Flask(__name__)


def best_view(row):
    """Compare each seat with every other: who sits in front of whom?"""
    best = 0
    for seat in range(600):
        for other in range(900):
            best = max(best, (seat * other + row) % 977)
    return best


@app.get("/seat")
def seat():
    return {"seat": best_view(int(request.args.get("row", 7)))}


@app.get("/health")
def health():
    return {"ready": True}


def start_tracing():
    provider = TracerProvider(resource=Resource.create({"service.name": "cinema-box-office"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    provider.add_span_processor(PyroscopeSpanProcessor())
    FlaskInstrumentor().instrument_app(app, tracer_provider=provider, excluded_urls="health")


def start_agent():
    pyroscope.configure(
        application_name=os.environ["OTEL_SERVICE_NAME"],
        server_address=os.environ["PYROSCOPE_SERVER_ADDRESS"],
        upload_interval=int(os.environ["PYROSCOPE_UPLOAD_INTERVAL"]),
    )


if __name__ == "__main__":
    start_agent()
    start_tracing()
    serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=4)
