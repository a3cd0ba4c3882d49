"""Two dishes at once on one stove: an asyncio program whose tasks take turns on one thread.

Run: python kitchen.py PROCESSOR, which is official or spanprofiles.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

import pyroscope
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Tracer
from pyroscope.otel import PyroscopeSpanProcessor

from spanprofiles_processor import SpanProfileProcessor

PROCESSORS = {"official": PyroscopeSpanProcessor, "spanprofiles": SpanProfileProcessor}
#: Which of two labels a sample keeps is as good as chance, for each pair of spans anew: so there are many.
MEALS, TURNS, TURN_S = 12, 40, 0.005


def stir() -> None:
    end = time.perf_counter() + TURN_S
    while time.perf_counter() < end:
        sum(range(1000))


async def cook(tracer: Tracer, dish: str, half_done: asyncio.Event) -> None:
    with tracer.start_as_current_span(dish):
        for turn in range(TURNS):
            if turn == TURNS // 2:
                half_done.set()
            stir()
            await asyncio.sleep(0)


async def cook_all(tracer: Tracer) -> None:
    """Cook two dishes a meal: the first is alone, then both take turns, then the second is alone."""
    for meal in range(MEALS):
        first, second = ("boil", "fry") if meal % 2 else ("fry", "boil")
        half_done = asyncio.Event()
        started = asyncio.create_task(cook(tracer, first, half_done))
        await half_done.wait()
        await asyncio.gather(started, cook(tracer, second, asyncio.Event()))


def main() -> None:
    provider = TracerProvider()
    provider.add_span_processor(PROCESSORS[sys.argv[1]]())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    pyroscope.configure(
        application_name=os.environ["OTEL_SERVICE_NAME"],
        server_address=os.environ["PYROSCOPE_SERVER_ADDRESS"],
        upload_interval=int(os.environ["PYROSCOPE_UPLOAD_INTERVAL"]),
    )
    asyncio.run(cook_all(provider.get_tracer("kitchen")))
    pyroscope.shutdown()
    provider.shutdown()


if __name__ == "__main__":
    main()
