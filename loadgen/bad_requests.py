"""What careless riders send."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BadRequest:
    """A request that must get a 400.

    Attributes:
        path: Where it goes.
        parameters: Its query string.
        culprit: The parameter that the error must name.
    """

    path: str
    parameters: dict[str, str]
    culprit: str


BAD_REQUESTS = (
    BadRequest("/bike", {"lat": "north", "lon": "18.07"}, "lat"),
    BadRequest("/bike", {"colour": "red"}, "colour"),
    BadRequest("/scooter", {"riders": "2"}, "riders"),
    BadRequest("/car", {"riders": "5"}, "riders"),
    BadRequest("/car", {"lat": "59.3"}, "lon"),
    BadRequest("/quote", {}, "vehicle"),
)
"""One slip of each sort."""
