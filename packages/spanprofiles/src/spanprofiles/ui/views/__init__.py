"""The pages, one module each: a blueprint whose views read the address, ask the sources and render a template."""

from __future__ import annotations

from flask import Blueprint

from spanprofiles.ui.views import alarm, compare, demo, doctor, sandwich, tour, trace_list, traces, workshop

BLUEPRINTS: tuple[Blueprint, ...] = (
    trace_list.views,
    traces.views,
    sandwich.views,
    compare.views,
    doctor.views,
    tour.views,
    demo.views,
    alarm.views,
    workshop.views,
)

__all__ = ["BLUEPRINTS"]
