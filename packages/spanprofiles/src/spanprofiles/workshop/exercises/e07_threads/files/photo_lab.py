"""A photo lab on an event loop: GET /print, /album and /slides develop pictures, each in another way."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import pyroscope
import uvicorn
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from pyroscope.otel import PyroscopeSpanProcessor

app = FastAPI()
helpers = ThreadPoolExecutor(2, thread_name_prefix="helper")


def develop(grains):
    """Bring out each grain of a picture."""
    silver = 0
    for grain in range(grains):
        silver = (silver * 31 + grain) % 1_000_003
    return silver


@app.get("/print")
async def one_print():
    """On the event loop itself."""
    return {"silver": develop(1_000_000)}


@app.get("/slides")
async def slides():
    """On a thread that the event loop chooses."""
    return {"silver": await asyncio.to_thread(develop, 1_000_000)}


@app.get("/album")
async def album():
    """On threads of the lab's own."""
    pictures = [helpers.submit(develop, 500_000) for _ in range(2)]
    return {"silver": [await asyncio.wrap_future(picture) for picture in pictures]}


@app.get("/health")
async def health():
    return {"ready": True}


def main():
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    provider.add_span_processor(PyroscopeSpanProcessor())
    trace.set_tracer_provider(provider)
    FastAPIInstrumentor.instrument_app(app, excluded_urls="health")
    pyroscope.configure(
        application_name=os.environ["OTEL_SERVICE_NAME"],
        server_address=os.environ["PYROSCOPE_SERVER_ADDRESS"],
        upload_interval=int(os.environ["PYROSCOPE_UPLOAD_INTERVAL"]),
    )
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")


if __name__ == "__main__":
    main()
