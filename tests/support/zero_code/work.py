"""What the apps of this folder do."""

import os
import time


def bake(milliseconds=150):
    """Compute for so many milliseconds of CPU, and say in which process."""
    total, end = 0, time.thread_time() + milliseconds / 1000
    while time.thread_time() < end:
        for number in range(2_000):
            total += number & 7
    return {"process": os.getpid(), "total": total}
