"""Where the processor labels every span, a request's flame graph is still the whole request's."""

from __future__ import annotations

import sys
from collections.abc import Callable

from spanprofiles.doctor import Examination
from spanprofiles.pytest_plugin import SpanProfiles
from tests.integration.conftest import ROOT

COMMAND = [sys.executable, str(ROOT / "tests" / "support" / "apps" / "assembly_line.py")]


def test_the_flame_graph_of_a_local_root_has_the_samples_of_its_children(
    span_profiles: SpanProfiles,
    span_profiles_job: Callable[..., object],
    span_profiles_doctor: Callable[..., Examination],
) -> None:
    span_profiles_job(COMMAND, environment={"OTEL_SERVICE_NAME": "assembly-line"})

    root = span_profiles.find('{ name = "build a chair" }')
    whole = span_profiles.linked_span(root)
    parts = [span_profiles.linked_span(child) for child in whole.added]

    assert [part.name for part in parts] == ["saw the legs", "sand the seat"]
    assert [part.profile_id for part in parts] == [part.span_id for part in parts]
    assert parts[0].flamegraph.share("saw") > 0.5
    assert parts[1].flamegraph.share("sand") > 0.5
    for part, function in zip(parts, ("saw", "sand"), strict=True):
        # a burst of samples at an edge may have the labels of the span before or after it
        assert whole.flamegraph.total_of(function) >= part.flamegraph.total_of(function)
        assert part.flamegraph.total_of(function) > whole.flamegraph.total_of(function) / 2
    assert span_profiles_doctor("assembly-line").broken is None
