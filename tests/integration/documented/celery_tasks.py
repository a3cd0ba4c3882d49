"""A Celery app whose queue is a folder, and which imports what docs/how-to/ shows."""

from importlib import import_module

from celery import Celery
from opentelemetry import trace

import_module("telemetry").start_tracing()
import_module("celery_worker")

app = Celery("celery_tasks", broker="filesystem://")
app.conf.broker_transport_options = {"data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "queue"}


def count(title: str) -> int:
    with trace.get_tracer("celery").start_as_current_span("celery task"):
        return sum(ord(letter) * number % 97 for number in range(400_000) for letter in title)


task = app.task(count)
