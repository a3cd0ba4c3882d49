"""A Celery app that knows nothing of tracing or profiling: ``python kitchen.py COUNT`` orders so many loaves."""

import os
import sys

from celery import Celery
from work import bake

QUEUE = os.environ["QUEUE"]  # a folder: a broker for one machine

app = Celery("kitchen", broker="filesystem://")
app.conf.broker_transport_options = {"data_folder_in": QUEUE, "data_folder_out": QUEUE, "control_folder": QUEUE}
app.conf.worker_prefetch_multiplier = 1


@app.task(name="bread")
def bread(number):
    process = bake()["process"]
    sys.stdout.write(f"loaf {number} is baked by {process}\n")


if __name__ == "__main__":
    for ordered in range(int(sys.argv[1])):
        bread.delay(ordered)
