"""A script that makes spans and sets up nothing: one in this process, others in processes that it forks within it."""

import sys
from multiprocessing import get_context

from opentelemetry import trace
from work import bake

tracer = trace.get_tracer("job")


def shift(name):
    with tracer.start_as_current_span(name):
        bake()
    trace.get_tracer_provider().force_flush()


if __name__ == "__main__":
    with tracer.start_as_current_span("day"):
        bake()
        helpers = [get_context("fork").Process(target=shift, args=(f"shift {number}",)) for number in range(2)]
        for helper in helpers:
            helper.start()
        for helper in helpers:
            helper.join()
    sys.exit(any(helper.exitcode for helper in helpers))
