"""What a patient of the ward can have: each illness is a fault of the demo's app, or several that look alike."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Illness:
    """One illness.

    Attributes:
        name: what learners call it.
        sign: what shows it.
        faults: the faults of ``rideshare.faults`` that have this sign.
    """

    name: str
    sign: str
    faults: tuple[str, ...]


ILLNESSES = (
    Illness("sampler-off", "Tempo has no trace of a ride that was ordered", ("sampler-off",)),
    Illness("no-processor", "the trace is there, and its first span carries no profile ID", ("no-processor",)),
    Illness(
        "no-samples",
        "the first span carries a profile ID, and Pyroscope has no samples of the service, by any name",
        ("no-agent", "agent-before-fork", "pushes-refused", "slow-upload"),
    ),
    Illness("unlabelled", "the service has samples, and all of its CPU is without a span", ("unlabelled",)),
    Illness(
        "another-name",
        "the ride's samples are in Pyroscope, under the name of another service",
        ("agent-under-another-name",),
    ),
    Illness(
        "dotted-name",
        "a ride has its flame graph, and Grafana's button asks for a label that the profiles spell differently",
        ("dotted-name",),
    ),
    Illness("clock-ahead", "the ride's span begins minutes after the ride was ordered", ("clock-ahead",)),
    Illness(
        "leaking-processor",
        "a ride has more samples after other rides than before, though it ended before they began",
        ("leaking-processor",),
    ),
    Illness(
        "slow-search",
        "a ride is linked, and most of its CPU is in a function that drops repeated vehicles",
        ("slow-search",),
    ),
    Illness(
        "lock-contention",
        "a ride is linked, and a span in it, confirm_with_dispatcher, takes long and has next to no CPU",
        ("lock-contention",),
    ),
    Illness("slow-gateway", "a ride is linked, and the span of its receipt waits for three seconds", ("slow-gateway",)),
)


def illness_named(name: str) -> Illness | None:
    """Return the illness of a name, or of a fault's name; None where there is none."""
    wanted = name.strip("`'\"").lower()
    return next((illness for illness in ILLNESSES if wanted == illness.name or wanted in illness.faults), None)


def drawn_illnesses(seed: int, count: int) -> list[Illness]:
    """Return different illnesses for the patients that a learner finds at first."""
    return Random(f"{seed}/the ward").sample(ILLNESSES, count)  # noqa: S311  # not a secret


def drawn_illness(seed: int, patient: str, visit: int) -> Illness:
    """Return the illness of whoever comes into a patient's bed later."""
    return Random(f"{seed}/{patient}/{visit}").choice(ILLNESSES)  # noqa: S311  # not a secret


def drawn_fault(seed: int, patient: str, visit: int, illness: Illness) -> str:
    """Return which of the faults behind an illness the patient has."""
    return Random(f"{seed}/{patient}/{visit}/fault").choice(illness.faults)  # noqa: S311  # not a secret
