"""A FastAPI app whose endpoints run on a pool of threads, where labels of a thread do not follow.

Run: python -m tests.support.apps.canteen PROCESSOR PORT, PROCESSOR being official or spanprofiles.
"""

from __future__ import annotations

import os
import sys
import time

import pyroscope
import uvicorn
from fastapi import FastAPI
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from pyroscope.otel import PyroscopeSpanProcessor

from spanprofiles_processor import SpanProfileProcessor

PROCESSORS = {"official": PyroscopeSpanProcessor, "spanprofiles": SpanProfileProcessor}
COOKING_S = 0.4
# On a slow machine an app's first request, which asks whether it is ready, computes for some tenths of a second.
WAITING_S = 1.5

app = FastAPI()


def stir() -> None:
    """Compute for a while of this thread's own CPU time, however busy the machine is."""
    end = time.thread_time() + COOKING_S
    while time.thread_time() < end:
        sum(range(1000))


@app.get("/cook")
def cook() -> dict[str, bool]:
    stir()
    return {"cooked": True}


@app.get("/cook-at-once")
async def cook_at_once() -> dict[str, bool]:
    stir()
    return {"cooked": True}


@app.get("/deliver")
def deliver() -> dict[str, bool]:
    time.sleep(WAITING_S)
    return {"delivered": True}


@app.get("/health")
def health() -> dict[str, bool]:
    return {"ready": True}


def main() -> None:
    provider = TracerProvider()
    provider.add_span_processor(PROCESSORS[sys.argv[1]]())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    FastAPIInstrumentor.instrument_app(app, tracer_provider=provider, excluded_urls="health")
    pyroscope.configure(
        application_name=os.environ["OTEL_SERVICE_NAME"],
        server_address=os.environ["PYROSCOPE_SERVER_ADDRESS"],
        upload_interval=int(os.environ["PYROSCOPE_UPLOAD_INTERVAL"]),
    )
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")


if __name__ == "__main__":
    main()
