"""The nearest peer, PyPI's ``stackgate``, on the same rides. It is no dependency: its figures are there if it is.

It compares runs of whole programs. Here each ride is a run. Its threshold is set to ours, all else is as it comes.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.ride_recording import RecordedRide
from spanprofiles.model.sampling import SAMPLE_PERIOD_NS

_RATE_HZ = 1_000_000_000 // SAMPLE_PERIOD_NS


@dataclass(frozen=True)
class PeerReport:
    """What it says of two sides.

    Attributes:
        failed: whether it fails the head.
        named: the functions that it says grew, the first one first.
        changed: whether it says of any function, or of the whole, that it changed.
    """

    failed: bool
    named: tuple[str, ...]
    changed: bool


def is_installed() -> bool:
    """Tell whether it is there."""
    return importlib.util.find_spec("stackgate") is not None


def version() -> str:
    """Return its version."""
    return str(importlib.import_module("stackgate").__version__)


def compare(base: Sequence[RecordedRide], head: Sequence[RecordedRide], threshold: float) -> PeerReport:
    """Give it two sides and return what it says."""
    comparator = importlib.import_module("stackgate.comparator")
    models = importlib.import_module("stackgate.models")

    def runs(name: str, rides: Sequence[RecordedRide]) -> Any:
        profiles = [
            models.Profile(
                f"{name}-{number}",
                {stack: round(value / SAMPLE_PERIOD_NS) for stack, value in ride.stacks.items()},
                sampling_rate_hz=float(_RATE_HZ),
            )
            for number, ride in enumerate(rides)
        ]
        return models.ProfileSet(name, profiles)

    found = comparator.compare(runs("base", base), runs("head", head), threshold=100 * threshold)
    regressed = tuple(str(difference.function) for difference in found.regressed_functions)
    verdict = str(found.verdict.value).lower()
    return PeerReport(
        verdict == "fail", regressed, bool(regressed or found.improved_functions) or verdict in {"fail", "improvement"}
    )
