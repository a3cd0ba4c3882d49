"""The negative twins of the regions in Python, Go and Java: with one thing broken, the doctor says which."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from spanprofiles import Endpoints
from spanprofiles.doctor import Examination
from spanprofiles.linking import NoProfileIdError, NoSamplesError, Waiting
from spanprofiles.pytest_plugin import SpanProfiles
from tests.support.fleet import FAULTS, LanguageOfRegion, Start, start

Doctor = Callable[..., Examination]

#: Two more forms of what other faults show, by other causes. Each language has those in `make slow` that all share.
IN_MAKE_EXHAUSTIVE = {"wrapped-too-late", "wall-alone"}


@pytest.mark.parametrize(
    ("language", "fault"),
    [
        pytest.param(
            language,
            fault,
            marks=pytest.mark.exhaustive if fault in IN_MAKE_EXHAUSTIVE else pytest.mark.slow,
            id=f"{language.name}: {fault}",
        )
        for language, fault in FAULTS
    ],
)
def test_the_doctor_names_what_is_broken_and_advises_in_its_language(
    language: LanguageOfRegion,
    fault: str,
    span_profiles_app: Start,
    span_profiles_endpoints: Endpoints,
    span_profiles: SpanProfiles,
    span_profiles_doctor: Doctor,
) -> None:
    expected = language.faults[fault]
    service = f"{language.name.lower()}-{fault.replace(' ', '-')}"
    app = start(language, span_profiles_app, span_profiles_endpoints, service, fault)
    ordered = app.get("/scooter")
    span_profiles.trace(ordered)
    with pytest.raises((NoProfileIdError, NoSamplesError)):
        span_profiles.linker.with_waiting(Waiting(4)).linked_span(ordered)

    for _ in Waiting(60, first_s=0.5, longest_s=1.0).attempts():
        found = span_profiles_doctor(service)
        if found.broken is not None and found.broken.hop == expected.hop:
            break
        app.get("/scooter")

    app.stop()
    assert found.broken is not None, "\n".join(found.lines())
    assert found.broken.hop == expected.hop, "\n".join(found.lines())
    assert expected.advice in found.broken.advice, found.broken.advice
    assert expected.evidence in " ".join(found.broken.evidence), found.broken.evidence
