"""The links that Grafana's own tests expect, as recorded in grafana_links.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.grafana_settings import a_span, linked, settings

RECORDED = json.loads(Path(__file__).with_name("grafana_links.json").read_text(encoding="utf-8"))


def test_all_recorded_cases_are_here() -> None:
    assert len(RECORDED["cases"]) == 6


@pytest.mark.parametrize("case", RECORDED["cases"], ids=lambda case: case["name"])
def test_the_query_is_the_one_grafana_expects(case: dict[str, Any]) -> None:
    recorded = RECORDED["span"]
    span = a_span(
        dict(recorded["attributes"]),
        dict(case.get("resource", recorded["resource"])),
        profile_id=None,
        name=recorded["name"],
        start_ns=recorded["start_ms"] * 10**6,
        end_ns=(recorded["start_ms"] + recorded["duration_ms"]) * 10**6,
    )

    link = linked(settings(tags=case["tags"]), span)

    assert link.query is not None
    assert link.query.label_selector == case["labelSelector"]
    assert link.query.span_selector == ("6605c7b08e715d6c",)
    assert [link.query.start_ms, link.query.end_ms] == RECORDED["range_ms"]
