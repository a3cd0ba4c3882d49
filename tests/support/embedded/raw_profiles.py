"""pprof and pushes written byte by byte, so that a test can repeat any part of them without making objects of it."""

from __future__ import annotations

import gzip
import time
import tracemalloc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from tests.support.pprof_writer import block, number, numbers, pushed_series

NOW_S = int(time.time())
LARGEST = 2**63 - 1
TABLE = ("", "cpu", "nanoseconds", "f")
LABELS = {"__name__": "process_cpu", "service_name": "shop"}
ONE_FUNCTION = ((1, 3),)
MEBIBYTE = 2**20


def line(function: int) -> bytes:
    return block(4, number(1, function))


def location(identifier: int, lines: bytes) -> bytes:
    return block(4, number(1, identifier) + lines)


def sample(locations: Iterable[int], values: Sequence[int] = (5,), labels: Iterable[tuple[int, int]] = ()) -> bytes:
    """A sample; its stack is leaf first, its labels are numbers of strings."""
    content = numbers(1, locations) + numbers(2, values)
    return block(2, content + b"".join(block(3, number(1, key) + number(2, value)) for key, value in labels))


def profile(
    *parts: bytes,
    functions: Iterable[tuple[int, int]] = ONE_FUNCTION,
    strings: Iterable[str] = TABLE,
    types: int = 1,
    age_s: float = 60,
) -> bytes:
    """A profile: samples and locations as they are given, functions as (number, number of the name)."""
    kind = number(1, 1) + number(2, 2)
    head = block(1, kind) * types + block(11, kind) + number(9, round((NOW_S - age_s) * 10**9))
    tables = [block(5, number(1, function) + number(2, name) + number(3, name)) for function, name in functions]
    return b"".join([head, *parts, *tables, *(block(6, text.encode()) for text in strings)])


def chain(depth: int, value: int = 5) -> bytes:
    """A profile of one stack, each of its frames another function, the first on top."""
    every = range(1, depth + 1)
    return profile(
        sample(reversed(every), [value]),
        *(location(function, line(function)) for function in every),
        functions=[(function, 2 + function) for function in every],
        strings=[*TABLE[:3], *(f"f{function}" for function in every)],
    )


def push(*profiles: bytes, **labels: str) -> bytes:
    """A push of one series."""
    return pushed_series(LABELS | labels, profiles)


def twice_compressed(raw: bytes) -> tuple[bytes, dict[str, str]]:
    """A push of a profile as a body and its headers: the profile compressed, and the push once more."""
    return gzip.compress(push(gzip.compress(raw))), {"Content-Encoding": "gzip"}


class Peak:
    """How much memory Python took at most, in bytes."""

    bytes = 0


@contextmanager
def peak_memory() -> Iterator[Peak]:
    peak = Peak()
    tracemalloc.start()
    try:
        yield peak
        peak.bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
