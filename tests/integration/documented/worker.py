"""The worker of docs/how-to/: takes an order from a file, as others take a message from a queue."""

import sys
import time
from importlib import import_module
from pathlib import Path

from opentelemetry import trace

telemetry = import_module("telemetry")
ORDER = Path("order.txt")


def pack(title: str) -> int:
    return sum(ord(letter) * number % 97 for number in range(300_000) for letter in title)


telemetry.start_tracing()
telemetry.start_agent()
sys.stdout.write("waiting for orders\n")
while not ORDER.exists():
    time.sleep(0.05)
time.sleep(0.2)  # until it is written
with trace.get_tracer("worker").start_as_current_span("pack") as span:
    span.set_attribute("order.title", ORDER.read_text())
    pack(ORDER.read_text())
time.sleep(600)
