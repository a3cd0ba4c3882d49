"""The payment gateway: slow, and no work for us.

It stands for a service far away. Waiting for it takes the request's time but none of the thread's CPU, so a span
profile of the request is as good as empty: that is what a CPU profile cannot show.
"""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Payment:
    """The gateway's answer: its reference for the payment, and what was paid."""

    reference: str
    amount: float
    currency: str


def await_payment(ride_id: str, amount: float, currency: str, gateway_seconds: float) -> Payment:
    """Ask the gateway about a ride's payment; the answer takes ``gateway_seconds``."""
    time.sleep(gateway_seconds)
    return Payment(f"payment-{ride_id}", amount, currency)
