"""A FastAPI shop that works on the event loop, on worker threads, in an executor, and after the answer."""

import asyncio
import os
import sys

import pyroscope
import uvicorn
from fastapi import BackgroundTasks, FastAPI
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

if os.environ.get("SHOP_PROCESSOR") == "official":
    from pyroscope.otel import PyroscopeSpanProcessor as SpanProcessor
else:
    from spanprofiles_processor import SpanProfileProcessor as SpanProcessor

app = FastAPI()
tracer = trace.get_tracer("shop")


def rank(count=1_500_000):
    return sum(number * number % 7 for number in range(count))


def add_up(count=1_500_000):
    return sum(number * number % 11 for number in range(count))


def write_report():
    with tracer.start_as_current_span("write report"):
        add_up()


@app.get("/on-the-loop")
async def on_the_loop():
    return rank()


@app.get("/on-a-worker-thread")
def on_a_worker_thread():
    return rank()


@app.get("/in-an-executor")
async def in_an_executor():
    return await asyncio.get_running_loop().run_in_executor(None, rank)


@app.get("/afterwards")
async def afterwards(tasks: BackgroundTasks):
    tasks.add_task(write_report)
    return "accepted"


@app.get("/waits")
async def waits():
    await asyncio.sleep(0.4)
    return "done"


@app.get("/health")
async def health():
    return "ready"


def main():
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    provider.add_span_processor(SpanProcessor())
    trace.set_tracer_provider(provider)
    FastAPIInstrumentor.instrument_app(app, excluded_urls="health")
    pyroscope.configure(
        application_name=os.environ["OTEL_SERVICE_NAME"],
        server_address=os.environ["PYROSCOPE_SERVER_ADDRESS"],
        upload_interval=int(os.environ.get("PYROSCOPE_UPLOAD_INTERVAL", "10")),
    )
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")


if __name__ == "__main__":
    main()
