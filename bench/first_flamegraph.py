"""Seconds from the start of ``spanprofiles demo`` to the first verified span flame graph, in cold processes.

Everything is in it: the interpreter, both servers, three regions, the load, the first ride, the agent's upload.
Run it with ``make bench``; ``--runs`` sets the sample size.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

BAR_S = 5.0
AIM_S = 3.0


def seconds_to_first_flamegraph() -> float:
    """Run the demo once and time it from outside, until its line of JSON is there."""
    command = [sys.executable, "-m", "spanprofiles", "demo", "--once", "--json"]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as demo:
        line = demo.stdout.readline() if demo.stdout else ""
        seconds = time.perf_counter() - start
    if demo.returncode != 0 or "profile_id" not in json.loads(line or "{}"):
        raise SystemExit(f"the demo failed with exit code {demo.returncode}: run `spanprofiles demo --once` to see why")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=7, help="how many times (default 7)")
    runs = parser.parse_args().runs
    if runs < 1:
        parser.error("--runs must be 1 or more")
    figures = []
    for number in range(1, runs + 1):
        figures.append(seconds_to_first_flamegraph())
        print(f"run {number} of {runs}: {figures[-1]:.2f} s", flush=True)
    median = statistics.median(figures)
    print(f"first span flame graph: median {median:.2f} s ({min(figures):.2f} to {max(figures):.2f}, {runs} runs)")
    print(f"bar {BAR_S:g} s: {median / BAR_S:.0%} of it; aim {AIM_S:g} s: {median / AIM_S:.0%} of it")


if __name__ == "__main__":
    main()
