"""Tasks of a Celery worker. Its processes are forked, so the tracer and the agent start in each of them.

Run: celery -A tasks worker
"""

import os

import pyroscope
from celery import Celery
from celery.signals import worker_init, worker_process_init
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from pyroscope.otel import PyroscopeSpanProcessor

QUEUE = os.environ["TASKS_QUEUE"]  # a folder: a broker for one machine

app = Celery("tasks", broker="filesystem://")
app.conf.broker_transport_options = {"data_folder_in": QUEUE, "data_folder_out": QUEUE}
app.conf.worker_prefetch_multiplier = 1


@app.task
def resize_picture(number, pixels=4_000_000):
    total = sum(pixel * pixel % 7 for pixel in range(pixels))
    print(f"picture {number} is resized")
    return total


def start_tracer():
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    provider.add_span_processor(PyroscopeSpanProcessor())
    trace.set_tracer_provider(provider)
    CeleryInstrumentor().instrument()


def start_agent():
    pyroscope.configure(
        application_name=os.environ["OTEL_SERVICE_NAME"],
        server_address=os.environ["PYROSCOPE_SERVER_ADDRESS"],
        upload_interval=int(os.environ.get("PYROSCOPE_UPLOAD_INTERVAL", "10")),
    )


@worker_process_init.connect(weak=False)
def start_in_the_worker(**_):
    start_tracer()
    if os.environ.get("TASKS_AGENT") != "before the fork":
        start_agent()


@worker_init.connect(weak=False)
def start_in_the_parent(**_):
    if os.environ.get("TASKS_AGENT") == "before the fork":  # in the process that only hands out tasks
        start_agent()
