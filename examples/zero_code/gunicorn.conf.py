"""The app is traced by opentelemetry-instrument, and profiled from here: no line of it changes."""

import os

import pyroscope
from opentelemetry import trace
from pyroscope.otel import PyroscopeSpanProcessor

worker_class = "gthread"
threads = 4
control_socket_disable = True


def start_agent():
    pyroscope.configure(
        application_name=os.environ["OTEL_SERVICE_NAME"],
        server_address=os.environ["PYROSCOPE_SERVER_ADDRESS"],
        upload_interval=int(os.environ.get("PYROSCOPE_UPLOAD_INTERVAL", "10")),
    )


def when_ready(server):
    if os.environ.get("ROUTES_AGENT") == "before the fork":  # in the process that forks the workers
        start_agent()


def post_fork(server, worker):
    trace.get_tracer_provider().add_span_processor(PyroscopeSpanProcessor())
    if os.environ.get("ROUTES_AGENT") != "before the fork":
        start_agent()
