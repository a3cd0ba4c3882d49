"""A bookshop with telemetry of its own making: stands for any team's app. Run: python bookshop.py PORT."""

from __future__ import annotations

import os
import sys

import pyroscope
from flask import Flask, request
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from pyroscope.otel import PyroscopeSpanProcessor
from waitress import serve

CATALOGUE = [
    f"{adjective} {noun}" for adjective in ("White", "Red", "Old", "Lost") for noun in ("Whale", "Sea", "Ship")
]
EDITIONS = 500

app = Flask(__name__)


def edit_distance(first: str, second: str) -> int:
    row = list(range(len(second) + 1))
    for position, letter in enumerate(first, 1):
        previous, row[0] = row[0], position
        for index, other in enumerate(second, 1):
            change = previous if letter == other else 1 + min(previous, row[index], row[index - 1])
            previous, row[index] = row[index], change
    return row[-1]


@app.get("/search")
def search() -> dict[str, str]:
    wanted = request.args["title"]
    titles = [f"{title}, edition {number}" for title in CATALOGUE for number in range(EDITIONS)]
    return {"title": min(titles, key=lambda title: edit_distance(wanted, title))}


@app.get("/health")
def health() -> dict[str, bool]:
    return {"ready": True}


def main() -> None:
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    if "BOOKSHOP_WITHOUT_PROCESSOR" not in os.environ:
        provider.add_span_processor(PyroscopeSpanProcessor())
    FlaskInstrumentor().instrument_app(app, tracer_provider=provider, excluded_urls="health")
    pyroscope.configure(
        application_name=os.environ["OTEL_SERVICE_NAME"],
        server_address=os.environ["PYROSCOPE_SERVER_ADDRESS"],
        upload_interval=int(os.environ.get("PYROSCOPE_UPLOAD_INTERVAL", "10")),
    )
    serve(app, host="127.0.0.1", port=int(sys.argv[1]), threads=4)


if __name__ == "__main__":
    main()
