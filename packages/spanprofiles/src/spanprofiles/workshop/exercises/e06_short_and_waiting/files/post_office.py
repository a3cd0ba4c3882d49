"""A post office: it weighs parcels, prints stamps and takes letters. GET /parcel, /stamp, /letter."""

import os
import time

import pyroscope
from flask import Flask
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from pyroscope.otel import PyroscopeSpanProcessor
from waitress import serve

app = Flask(__name__)


def weigh(grains):
    """Weigh each grain in a parcel."""
    grams = 0
    for grain in range(grains):
        grams = (grams * 31 + grain) % 1_000_003
    return grams


def print_stamp(dots):
    """Print each dot of a stamp."""
    ink = 0
    for dot in range(dots):
        ink = (ink * 17 + dot) % 1_000_003
    return ink


def wait_for_courier():
    time.sleep(0.4)  # he comes when he comes


@app.get("/parcel")
def parcel():
    return {"grams": weigh(600_000)}


@app.get("/stamp")
def stamp():
    return {"ink": print_stamp(100_000)}


@app.get("/letter")
def letter():
    wait_for_courier()
    return {"taken": True}


@app.get("/health")
def health():
    return {"ready": True}


def main():
    provider = TracerProvider()
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
