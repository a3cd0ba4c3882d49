"""What a failed claim says fits the language of the spans that are seen."""

from __future__ import annotations

from typing import Any

import pytest

from spanprofiles.linking import NoProfileIdError, TraceNotFoundError
from spanprofiles.model import TraceContext
from tests.support.linking import OURS, TRACE, Scene, server_span
from tests.unit.linking.conftest import Follow

_SENT = TraceContext(TRACE, OURS)


def scene_of(language: str) -> Scene:
    """A span without a profile ID, made by an SDK of that language."""
    scene = Scene().add(server_span(profile_id=None))
    ((_, group),) = scene.spans
    told: dict[str, Any] = {"key": "telemetry.sdk.language", "value": {"stringValue": language}}
    group["resource"]["attributes"].append(told)
    return scene


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("python", "the span processor (pyroscope.otel.PyroscopeSpanProcessor) is not added"),
        ("go", "the span processor (otelpyroscope.NewTracerProvider) is not added"),
        ("java", "the span processor (the extension of otel-profiling-java) is not added"),
        ("ruby", "the span processor (Pyroscope::Otel::SpanProcessor) is not added"),
        ("dotnet", "the span processor (Pyroscope.OpenTelemetry.PyroscopeSpanProcessor) is not added"),
        ("nodejs", "Pyroscope has no span processor for Node.js"),
        ("rust", "Pyroscope has no span processor for Rust"),
        ("php", "Pyroscope has no span processor for PHP"),
    ],
)
def test_a_missing_profile_id_is_told_in_the_words_of_its_language(follow: Follow, language: str, words: str) -> None:
    with pytest.raises(NoProfileIdError) as failed:
        follow(scene_of(language), timeout_s=0.05).linked_span(_SENT)

    assert words in str(failed.value)
    assert ("pyroscope.otel" in str(failed.value)) == (language == "python")


@pytest.mark.parametrize(
    ("languages", "is_told"), [([], True), (["python"], True), (["go", "python"], True), (["go", "java"], False)]
)
def test_pythons_settings_for_routes_are_named_where_python_may_be_meant(
    follow: Follow, languages: list[str], is_told: bool
) -> None:
    with pytest.raises(TraceNotFoundError) as failed:
        follow(Scene(languages=languages), timeout_s=0.05).trace(_SENT)

    assert ("OTEL_PYTHON_EXCLUDED_URLS" in str(failed.value)) == is_told
