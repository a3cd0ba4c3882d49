"""The ferry sells tickets: GET /ticket?cars=3. Run it with: gunicorn -c gunicorn.conf.py ferry:app"""

import os

import pyroscope
from flask import Flask, request
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from pyroscope.otel import PyroscopeSpanProcessor


def start_agent():
    pyroscope.configure(
        application_name=os.environ["OTEL_SERVICE_NAME"],
        server_address=os.environ["PYROSCOPE_SERVER_ADDRESS"],
        upload_interval=int(os.environ["PYROSCOPE_UPLOAD_INTERVAL"]),
    )


def draw_timetable():
    """Compute the tides of a year, which takes a moment."""
    tides = [0] * 365
    for day in range(365):
        for hour in range(9_000):
            tides[day] = (tides[day] + hour * day) % 24
    return tides


def load_cars(cars):
    """Find the order in which the cars fit best."""
    best = 0
    for car in range(cars):
        for lane in range(400):
            for place in range(400):
                best = max(best, (lane * place + car) % 1009)
    return best


app = Flask(__name__)
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
provider.add_span_processor(PyroscopeSpanProcessor())
FlaskInstrumentor().instrument_app(app, tracer_provider=provider, excluded_urls="health")
start_agent()
TIMETABLE = draw_timetable()


@app.get("/ticket")
def ticket():
    cars = int(request.args.get("cars", 3))
    return {"departs": TIMETABLE[cars], "lane": load_cars(cars)}


@app.get("/health")
def health():
    return {"ready": True}
