"""The pages, one module each: a blueprint whose views read the address, ask the sources and render a template."""

from __future__ import annotations

from flask import Blueprint

from spanprofiles.ui.views import (
    alarm,
    board,
    compare,
    demo,
    doctor,
    group,
    sandwich,
    tour,
    trace_list,
    traces,
    workshop,
)

BLUEPRINTS: tuple[Blueprint, ...] = (
    trace_list.views,
    traces.views,
    sandwich.views,
    group.views,
    compare.views,
    doctor.views,
    tour.views,
    demo.views,
    alarm.views,
    workshop.views,
    board.views,
)

__all__ = ["BLUEPRINTS"]
