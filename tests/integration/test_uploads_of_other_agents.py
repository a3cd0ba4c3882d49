"""Ruby, .NET, Node.js and eBPF, whose agents are not run here: uploads shaped like theirs are judged for what they are.

What can be linked is linked, in the harness, the doctor, ``spanprofiles link`` and the page. What cannot is said to be
so by each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask.testing import FlaskClient

from spanprofiles import Endpoints
from spanprofiles.cli import main
from spanprofiles.doctor import Examination, Verdict
from spanprofiles.linking import NoProfileIdError, NoSamplesError, Waiting
from spanprofiles.model import CPU
from spanprofiles.pytest_plugin import SpanProfiles
from spanprofiles.ui import create_app
from tests.support.other_agents import CPU_TIME, DOTNET, EBPF, NODE, RUBY, Agent, Told, tell

pytestmark = pytest.mark.slow

DEADLINE_S = 60.0
WALL = "wall:wall:nanoseconds:cpu:nanoseconds"
PROVISIONED = """
datasources:
  - {{name: Pyroscope, uid: pyroscope, type: grafana-pyroscope-datasource}}
  - name: Tempo
    uid: tempo
    type: tempo
    jsonData:
      tracesToProfiles:
        datasourceUid: pyroscope
        profileTypeId: "{profile_type}"
        tags: [{{key: service.name, value: service_name}}]
"""
UNLABELLED_RUBY, UNLABELLED_DOTNET = replace(RUBY, label=""), replace(DOTNET, label="", types=(CPU_TIME,))

Doctor = Callable[..., Examination]


@pytest.fixture
def examine(span_profiles_doctor: Doctor) -> Doctor:
    """Examine a service until that hop is broken, or none: a real server finds what was sent some seconds later."""

    def examination(told: Told, hop: str = "") -> Examination:
        for _ in Waiting(DEADLINE_S).attempts():
            found = span_profiles_doctor(told.service)
            if (found.broken.hop if found.broken else "") == hop:
                break
        return found

    return examination


@pytest.fixture
def press(span_profiles_endpoints: Endpoints, tmp_path: Path) -> Callable[..., Result]:
    """Press Grafana's button by ``spanprofiles link``, with a data source for that type of profile."""

    def pressed(told: Told, profile_type: str = CPU) -> Result:
        file = tmp_path / "datasources.yaml"
        file.write_text(PROVISIONED.format(profile_type=profile_type), encoding="utf-8")
        servers = [
            "--tempo",
            span_profiles_endpoints.tempo,
            "--pyroscope",
            span_profiles_endpoints.pyroscope,
            "--wait",
            "0",
        ]
        return CliRunner().invoke(main, ["link", told.trace_ids[0], "--datasource", str(file), *servers])

    return pressed


@pytest.fixture(scope="module")
def page(span_profiles_endpoints: Endpoints) -> FlaskClient:
    return create_app(span_profiles_endpoints).test_client()


def shown(page: FlaskClient, told: Told) -> str:
    """What the page shows of the first order's local root span."""
    return page.get(f"/trace/{told.trace_ids[0]}/span/{told.span_ids[0]}").text


def test_spans_of_ruby_are_linked_by_the_label_profile_id(
    span_profiles: SpanProfiles,
    span_profiles_endpoints: Endpoints,
    examine: Doctor,
    press: Callable[..., Result],
    page: FlaskClient,
) -> None:
    told = tell(span_profiles_endpoints, "ruby", RUBY)

    order = span_profiles.linked_span(told.trace_ids[0])
    found, pressed = examine(told), press(told)

    assert order.profile_id == told.span_ids[0]
    assert order.cpu_ns == 400_000_000
    assert order.flamegraph.share(RUBY.function) == 1
    assert found.verdict is Verdict.OK, "\n".join(found.lines())
    assert found.finding("link").seen["linked"] == len(told.span_ids)
    assert pressed.exit_code == 0, pressed.output
    assert "400 ms of CPU" in shown(page, told)


def test_spans_of_dotnet_are_linked_by_wall_time_and_grafana_must_ask_for_it(
    span_profiles: SpanProfiles,
    span_profiles_endpoints: Endpoints,
    examine: Doctor,
    press: Callable[..., Result],
    page: FlaskClient,
) -> None:
    told = tell(span_profiles_endpoints, "dotnet", DOTNET, UNLABELLED_DOTNET)

    order = span_profiles.linked_span(told.trace_ids[0])
    found = examine(told)

    assert order.profile_id == told.span_ids[0]
    assert (order.profile_type, order.cpu_ns, order.flamegraph.total) == (WALL, 0, 400_000_000)
    assert order.flamegraph.share(DOTNET.function) == 1
    assert found.verdict is Verdict.OK, "\n".join(found.lines())
    assert found.finding("link").seen["linked"] == len(told.span_ids)
    assert f"set profileTypeId to {WALL}" in found.finding("profile type").advice
    assert press(told, CPU).exit_code == 1
    assert press(told, WALL).exit_code == 0
    assert "400 ms of wall time" in shown(page, told)


def test_a_child_span_of_dotnet_with_an_id_of_its_own_counts_for_its_request(
    span_profiles: SpanProfiles, span_profiles_endpoints: Endpoints, examine: Doctor
) -> None:
    told = tell(span_profiles_endpoints, "dotnet", DOTNET, child_share=0.75)

    order = span_profiles.linked_span(told.trace_ids[0])

    assert [child.name for child in order.added] == ["find"]
    assert order.flamegraph.total == 400_000_000
    assert span_profiles.linked_span(order.added[0]).flamegraph.total == 300_000_000
    assert examine(told).broken is None


@pytest.mark.parametrize(
    ("language", "agent", "says"),
    [
        ("ruby", UNLABELLED_RUBY, ("Pyroscope::Otel::SpanProcessor", "detect_subprocesses", "before_worker_boot")),
        ("dotnet", UNLABELLED_DOTNET, ("PYROSCOPE_PROFILING_WALLTIME_ENABLED=1", "LD_LIBRARY_PATH")),
        ("ruby", EBPF, ("taken by an eBPF profiler", "profile with the agent made for Ruby: call Pyroscope.configure")),
        ("go", EBPF, ("taken by an eBPF profiler", "profile with the agent made for Go: call pyroscope.Start")),
        ("nodejs", NODE, ("taken by Pyroscope's Node.js agent", "no span processor for Node.js")),
    ],
    ids=["Ruby", ".NET", "Ruby by eBPF", "Go by eBPF", "Node.js"],
)
def test_samples_without_ids_get_the_advice_of_their_language_and_agent(
    language: str,
    agent: Agent,
    says: tuple[str, ...],
    span_profiles: SpanProfiles,
    span_profiles_endpoints: Endpoints,
    examine: Doctor,
    press: Callable[..., Result],
    page: FlaskClient,
) -> None:
    told = tell(span_profiles_endpoints, language, agent)

    found = examine(told, "sample labels")
    with pytest.raises(NoSamplesError):
        span_profiles.linker.with_waiting(Waiting(1)).linked_span(told.trace_ids[0])

    assert found.broken is not None, "\n".join(found.lines())
    assert found.broken.hop == "sample labels"
    words = " ".join([*found.broken.evidence, found.broken.advice])
    assert [said for said in says if said not in words] == [], words
    assert "pyroscope-io" not in words
    assert press(told).exit_code == 1
    assert "no sample has it" in shown(page, told)


@pytest.mark.parametrize(
    ("language", "agent", "says"),
    [
        ("nodejs", NODE, "Pyroscope has no span processor for Node.js"),
        ("ruby", UNLABELLED_RUBY, "Pyroscope::Otel::SpanProcessor"),
        ("dotnet", UNLABELLED_DOTNET, "Pyroscope.OpenTelemetry.PyroscopeSpanProcessor"),
        ("go", EBPF, "otelpyroscope.NewTracerProvider"),
    ],
    ids=["Node.js", "Ruby", ".NET", "Go by eBPF"],
)
def test_spans_without_ids_are_told_of_their_languages_span_processor_or_of_none(
    language: str,
    agent: Agent,
    says: str,
    span_profiles: SpanProfiles,
    span_profiles_endpoints: Endpoints,
    examine: Doctor,
    press: Callable[..., Result],
    page: FlaskClient,
) -> None:
    told = tell(span_profiles_endpoints, language, agent, with_ids=False)

    found, pressed = examine(told, "profile ID"), press(told)
    with pytest.raises(NoProfileIdError, match=says):
        span_profiles.linker.linked_span(told.trace_ids[0])

    assert found.broken is not None, "\n".join(found.lines())
    assert found.broken.hop == "profile ID"
    assert says in found.broken.advice
    assert pressed.exit_code == 1
    assert says in pressed.output
    assert says in shown(page, told)
