"""Grafana's settings, tried on the linked spans of a real pair."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from spanprofiles.doctor import (
    Verdict,
    examine,
)
from spanprofiles.linking.grafana import read_data_sources
from spanprofiles.model import Endpoints
from tests.support.doctor import assert_broken, assert_silent, rides, tell

PROVISIONED = """
apiVersion: 1
datasources:
  - {name: Pyroscope, uid: pyroscope, type: grafana-pyroscope-datasource}
  - name: Tempo
    uid: tempo
    type: tempo
    jsonData:
      tracesToProfiles:
        datasourceUid: pyroscope
        profileTypeId: "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
        tags: [{key: service.name, value: service_name}, {key: host.name, value: LABEL}]
"""


@pytest.mark.parametrize(("label", "is_broken"), [("hostname", False), ("host.name", True)])
def test_grafanas_settings_are_tried_on_linked_spans(
    embedded_pair: Endpoints, tmp_path: Path, label: str, is_broken: bool
) -> None:
    service = f"grafana-{label}"
    tell(embedded_pair, service, rides())
    file = tmp_path / "datasources.yaml"
    file.write_text(PROVISIONED.replace("LABEL", label))

    examination = examine(embedded_pair, service=service, sources=read_data_sources([file]))

    if is_broken:
        assert_broken(examination, "Grafana", "400|quoted")
    else:
        assert_silent(examination)
        assert examination.finding("Grafana").verdict is Verdict.OK


def test_tags_that_are_texts_are_doubtful_and_not_broken(embedded_pair: Endpoints, tmp_path: Path) -> None:
    tell(embedded_pair, "grafana-texts", rides())
    file = tmp_path / "datasources.yaml"
    file.write_text(re.sub(r"tags: .*", "tags: [job, instance, pod, namespace]", PROVISIONED))

    examination = examine(embedded_pair, service="grafana-texts", sources=read_data_sources([file]))

    assert examination.broken is None
    grafana = examination.finding("Grafana")
    assert grafana.verdict is Verdict.DOUBTFUL
    assert "asked with {}" in grafana.evidence[0]
    assert "the tag 'job' has no key" in grafana.advice


def test_a_grafana_that_does_not_answer_is_named(embedded_pair: Endpoints, dead_url: str) -> None:
    tell(embedded_pair, "without-grafana", rides(3))
    examination = examine(replace(embedded_pair, grafana=dead_url), service="without-grafana")

    assert_broken(examination, "Grafana", "does not answer")
