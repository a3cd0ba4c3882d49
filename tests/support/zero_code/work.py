"""What the apps of this folder do."""

import os
import time

# Spans begin as soon as their process is forked. The agent starts at the same time, and sees nothing until it has: on a
# busy machine that takes tenths of a second, which must be little beside the work.
MILLISECONDS = 600


def bake():
    """Compute for that long, of CPU time, and say in which process."""
    total, end = 0, time.thread_time() + MILLISECONDS / 1000
    while time.thread_time() < end:
        for number in range(2_000):
            total += number & 7
    return {"process": os.getpid(), "total": total}
