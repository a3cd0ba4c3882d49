"""The bakery takes orders for cakes: GET /cake?guests=8."""

import os

from flask import Flask, request
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from waitress import serve

app = Flask(__name__)


def weigh_ingredients(guests):
    return sum(gram * gram % 7 for gram in range(guests * 2_000))


def arrange_cherries(guests):
    """Try every pair of places, for each guest: a cake must look even from all sides."""
    best = 0
    for guest in range(guests):
        for first in range(330):
            for second in range(330):
                best = max(best, (first * second + guest) % 991)
    return best


@app.get("/cake")
def cake():
    guests = int(request.args.get("guests", 8))
    return {"grams": weigh_ingredients(guests), "cherries": arrange_cherries(guests)}


@app.get("/health")
def health():
    return {"ready": True}


def main():
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    FlaskInstrumentor().instrument_app(app, tracer_provider=provider, excluded_urls="health")
    serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=4)


if __name__ == "__main__":
    main()
