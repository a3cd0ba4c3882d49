"""A cinema sells tickets: GET /tickets. It finds the best free seats, and lets the bank take the money."""

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

BOOKINGS = [f"row {number % 40} seat {number}" for number in range(5_000)]
VIEWS = 500_000
FIRST_ROWS = 300_000
BANK_S = 0.1


def drop_double_bookings(bookings):
    """Leave out bookings that are listed more than once."""
    kept = []
    for booking in bookings:
        if not any(booking == earlier for earlier in kept):
            kept.append(booking)
    return kept


def rate_seats(taken, views):
    """Look at the screen from every free seat."""
    best = 0
    for view in range(views):
        best = max(best, (view * 31 + taken) % 1_000_003)
    return best


def pay():
    """Wait for the bank."""
    time.sleep(BANK_S)


@app.get("/tickets")
def tickets():
    seat = rate_seats(len(drop_double_bookings(BOOKINGS)), VIEWS)
    pay()
    return {"seat": seat}


@app.get("/seats")
def seats():
    """Show the best seat of the first rows, and sell none."""
    return {"seat": rate_seats(len(BOOKINGS), FIRST_ROWS)}


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
