"""The demo's app, in which one order is slow: pricing it calls a function whose name is drawn for the learner."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from types import CodeType, FunctionType
from typing import Any, cast

from flask import Flask, Response, g, has_request_context

from rideshare import orders, pricing
from rideshare.app import create_app as create_rideshare

DRAWN_VARIABLE = "WORKSHOP_DRAWN"
SLOW_VARIABLE = "WORKSHOP_SLOW_ORDER"
SLOW_HEADER = "X-Workshop-Slow"

_ROUNDS = 2_500_000
_numbers = count(1)


def _compute(rounds: int) -> int:
    total = 0
    for number in range(rounds):
        total = (total + number * number) % 65_521
    return total


def named(name: str) -> Callable[[int], int]:
    """Return the function that computes, under another name in profiles."""
    names = {"co_name": name}
    if hasattr(_compute.__code__, "co_qualname"):  # since Python 3.11
        names["co_qualname"] = name
    replace: Callable[..., CodeType] = _compute.__code__.replace
    return cast("Callable[[int], int]", FunctionType(replace(**names), globals(), name))


def settle_fare(*arguments: Any, **options: Any) -> Any:
    """Price a ride; for one of them, with much computing."""
    if next(_numbers) == int(os.environ[SLOW_VARIABLE]):
        named(os.environ[DRAWN_VARIABLE])(_ROUNDS)
        if has_request_context():
            g.is_slow = True
    return pricing.calculate_price(*arguments, **options)


def create_app() -> Flask:
    """Make the app of a region."""
    vars(orders)["calculate_price"] = settle_fare
    app = create_rideshare()

    @app.after_request
    def tell(response: Response) -> Response:
        if g.pop("is_slow", False):
            response.headers[SLOW_HEADER] = "yes"
        return response

    return app
