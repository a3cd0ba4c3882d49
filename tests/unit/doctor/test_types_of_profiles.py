"""Wall time and counts of samples that carry span IDs are a link; other agents and tracers are told for what they are.

Each case is told to a real pair as such agents tell it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from spanprofiles.doctor import Examination, Verdict, examine, examine_failure
from spanprofiles.linking import Evidence, Linker, Waiting
from spanprofiles.linking.grafana import read_data_sources
from spanprofiles.model import CPU, Endpoints, new_span_id
from tests.support.doctor import Ride, S, rides
from tests.unit.conftest import otlp_span, push_profiles, push_spans, resource_spans

MS = 1_000_000
WALL = "wall:wall:nanoseconds:wall:nanoseconds"
DOTNET_WALL = "wall:wall:nanoseconds:cpu:nanoseconds"
GO_SAMPLES = "process_cpu:samples:count:cpu:nanoseconds"
ALLOCATED = "memory:alloc_in_new_tlab_bytes:bytes:space:bytes"
QUIET = {Verdict.OK, Verdict.NOT_CHECKED}
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
        profileTypeId: "TYPE"
        tags: [{key: service.name, value: service_name}]
"""


class App:
    """A service that told a pair of some rides; what its agent saw of them is told type by type."""

    def __init__(self, pair: Endpoints, language: str = "", *, with_ids: bool = True, ms: float = 400.0) -> None:
        self.pair = pair
        self.service = f"of-{language or 'no-language'}-{new_span_id()}"
        self.rides = rides(8, ms=ms)
        self._now_ns = time.time_ns()
        spans = [self._span(ride, with_ids=with_ids) for ride in self.rides]
        group = resource_spans(self.service, *spans)
        if language:
            group["resource"]["attributes"].append(
                {"key": "telemetry.sdk.language", "value": {"stringValue": language}}
            )
        push_spans(pair, group)

    def _span(self, ride: Ride, *, with_ids: bool) -> dict[str, object]:
        start_ns = self.start_ns(ride)
        end_ns = start_ns + int(ride.ms * MS)
        profile_id = ride.span_id if with_ids else None
        return otlp_span(
            ride.trace_id, ride.span_id, ride.name, profile_id=profile_id, start_ns=start_ns, end_ns=end_ns
        )

    def start_ns(self, ride: Ride) -> int:
        return self._now_ns - int(ride.ago_s * S)

    def profile(
        self,
        profile_type: str,
        value: int,
        *,
        label: str = "span_id",
        only: slice = slice(None),
        more: Mapping[str, str] | None = None,
        signs: Mapping[str, str] | None = None,
    ) -> App:
        """Tell a profile a second, with so much of that type in each ride.

        Args:
            profile_type: the type.
            value: how much.
            label: which label has the span's ID; empty for none.
            only: which of the rides.
            more: other labels of the samples.
            signs: labels of the series.
        """
        told = [
            ([(("serve", "work"), value, {**({label: ride.span_id} if label else {}), **(more or {})})], window_ns)
            for ride in self.rides[only]
            for window_ns in [self.start_ns(ride) // S * S]
        ]
        push_profiles(self.pair, self.service, told, profile_type, **(signs or {}))
        return self

    def examine(self, **options: object) -> Examination:
        return examine(self.pair, service=self.service, **options)  # type: ignore[arg-type]  # handed on


def words(examination: Examination, hop: str) -> str:
    finding = examination.finding(hop)
    return " ".join([*finding.evidence, finding.advice])


def assert_broken(examination: Examination, hop: str) -> str:
    assert examination.broken is not None, examination.lines()
    assert examination.broken.hop == hop, examination.lines()
    return words(examination, hop)


# -- wall time and counts ---------------------------------------------------------------------------------------------


def test_wall_time_with_the_spans_ids_is_a_link_that_says_its_profile_type(embedded_pair: Endpoints) -> None:
    app = App(embedded_pair, "java").profile(WALL, 400 * MS).profile(CPU, 10 * MS, label="")

    examination = app.examine()

    assert examination.verdict is Verdict.OK, examination.lines()
    assert examination.finding("link").seen["linked"] == 8
    assert f"set profileTypeId to {WALL}" in examination.finding("profile type").advice
    assert any(f"set profileTypeId to {WALL}" in line for line in examination.lines())


def test_wall_time_alone_needs_no_cpu_profiles(embedded_pair: Endpoints) -> None:
    examination = App(embedded_pair, "java").profile(WALL, 400 * MS).examine()

    assert examination.verdict is Verdict.OK, examination.lines()
    assert f"has no profile of type {CPU}" in words(examination, "profile type")


def test_wall_time_without_ids_is_no_link_and_javas_other_events_are_named(embedded_pair: Endpoints) -> None:
    app = App(embedded_pair, "java").profile(
        WALL, 400 * MS, label="", signs={"jfr_event": "wall", "pyroscope_spy": "javaspy"}
    )

    told = assert_broken(app.examine(), "sample labels")

    assert "would have some even if they only waited" in told
    assert "PYROSCOPE_PROFILER_EVENT=itimer (or cpu)" in told
    assert "of CPU," not in told


def test_waiting_beside_wall_time_without_ids_is_no_excuse(embedded_pair: Endpoints) -> None:
    signs = {"jfr_event": "wall", "pyroscope_spy": "javaspy"}
    app = App(embedded_pair, "java").profile(WALL, 400 * MS, label="", signs=signs)
    app.profile(CPU, 10 * MS, label="", signs=signs)

    told = assert_broken(app.examine(upload_interval_s=1.0), "sample labels")

    assert f"samples of wall time ({WALL}) carry none either" in told
    assert "PYROSCOPE_PROFILER_EVENT=itimer (or cpu)" in told


def test_with_a_profiler_of_cpu_alone_waiting_and_unlabelled_spans_look_the_same(
    embedded_pair: Endpoints,
) -> None:
    app = App(embedded_pair, "java").profile(CPU, 10 * MS, label="", signs={"pyroscope_spy": "javaspy"})

    examination = app.examine(upload_interval_s=1.0)

    assert examination.broken is None, examination.lines()
    assert examination.finding("sample labels").verdict is Verdict.DOUBTFUL


def test_cpu_that_carries_the_ids_needs_no_other_type(embedded_pair: Endpoints) -> None:
    app = App(embedded_pair, "java").profile(CPU, 300 * MS).profile(WALL, 400 * MS)

    examination = app.examine()

    assert examination.verdict is Verdict.OK, examination.lines()
    assert examination.finding("profile type").evidence == (CPU,)
    assert examination.finding("profile type").advice == ""


def test_spans_that_wait_beside_ones_that_compute_are_linked_by_wall_time(embedded_pair: Endpoints) -> None:
    app = App(embedded_pair, "java").profile(CPU, 300 * MS, only=slice(0, 4)).profile(WALL, 400 * MS)

    examination = app.examine()

    assert examination.finding("link").seen["linked"] == 8
    assert examination.unlinked == ()


def test_counts_of_samples_link_and_count_ten_milliseconds_each(embedded_pair: Endpoints) -> None:
    app = App(embedded_pair, "go").profile(GO_SAMPLES, 38, signs={"pyroscope_spy": "gospy"})

    examination = app.examine()

    assert examination.verdict is Verdict.OK, examination.lines()
    assert f"set profileTypeId to {GO_SAMPLES}" in examination.finding("profile type").advice


def test_samples_of_memory_that_carry_ids_are_named_and_are_no_link(embedded_pair: Endpoints) -> None:
    app = App(embedded_pair, "java").profile(ALLOCATED, 4096).profile(CPU, 300 * MS, label="")

    told = assert_broken(app.examine(), "sample labels")

    assert f"samples of type {ALLOCATED} carry the spans' IDs" in told


def test_a_service_with_profiles_of_memory_alone_is_told_how_to_profile_cpu(embedded_pair: Endpoints) -> None:
    told = assert_broken(App(embedded_pair, "go").profile(ALLOCATED, 4096, label="").examine(), "profile type")

    assert "pyroscope.ProfileCPU" in told
    assert "carry no span IDs" not in told


def test_a_type_asked_for_without_ids_is_broken_and_the_one_with_ids_is_named(
    embedded_pair: Endpoints,
) -> None:
    app = App(embedded_pair, "java").profile(CPU, 300 * MS).profile(WALL, 400 * MS, label="")

    told = assert_broken(app.examine(profile_type=WALL), "profile type")

    assert f"samples of type {CPU} carry the spans' IDs" in told
    assert f"ask for profiles of type {CPU}" in told


def test_grafana_set_to_another_type_than_carries_the_ids_is_told_which(
    embedded_pair: Endpoints, tmp_path: Path
) -> None:
    app = App(embedded_pair, "java").profile(WALL, 400 * MS).profile(CPU, 10 * MS, label="")
    file = tmp_path / "datasources.yaml"
    file.write_text(PROVISIONED.replace("TYPE", CPU), encoding="utf-8")

    told = assert_broken(app.examine(sources=read_data_sources([file])), "Grafana")
    assert f"set profileTypeId to {WALL}" in told
    assert "map tags" not in told

    file.write_text(PROVISIONED.replace("TYPE", WALL), encoding="utf-8")
    examination = app.examine(sources=read_data_sources([file]))
    assert examination.finding("Grafana").verdict is Verdict.OK, examination.lines()


def test_a_failed_claim_says_the_same(embedded_pair: Endpoints) -> None:
    app = App(embedded_pair, "java").profile(WALL, 400 * MS)
    linker = Linker.of(embedded_pair, waiting=Waiting(0))

    examination = examine_failure(linker, Evidence(app.rides[0].trace_id), budget_s=30.0)

    assert examination.broken is None, examination.lines()
    assert f"set profileTypeId to {WALL}" in examination.finding("profile type").advice


# -- languages and agents ---------------------------------------------------------------------------------------------


def test_dotnet_without_labels_needs_wall_time_profiling(embedded_pair: Endpoints) -> None:
    app = App(embedded_pair, "dotnet").profile(CPU, 300 * MS, label="", signs={"spy_name": "dotnetspy"})

    told = assert_broken(app.examine(), "sample labels")

    assert "PYROSCOPE_PROFILING_WALLTIME_ENABLED=1" in told
    assert not any(word in told for word in ("pyroscope-io", "fork", "Python", "Java", "asyncio"))


def test_dotnet_with_wall_time_profiling_is_linked_by_it(embedded_pair: Endpoints) -> None:
    app = App(embedded_pair, "dotnet").profile(DOTNET_WALL, 400 * MS, signs={"spy_name": "dotnetspy"})
    app.profile(CPU, 300 * MS, label="", signs={"spy_name": "dotnetspy"})

    examination = app.examine()

    assert examination.verdict is Verdict.OK, examination.lines()
    assert f"set profileTypeId to {DOTNET_WALL}" in examination.finding("profile type").advice


@pytest.mark.parametrize("language", ["nodejs", "rust", "php", "cpp", "erlang"])
def test_a_language_without_span_processor_is_told_that_there_is_none(embedded_pair: Endpoints, language: str) -> None:
    app = App(embedded_pair, language, with_ids=False).profile(WALL, 400 * MS, label="")

    told = assert_broken(app.examine(), "profile ID")

    assert "Pyroscope has no span processor for" in told
    assert "add the span processor" not in told


def test_node_whose_spans_and_samples_do_carry_ids_is_linked_all_the_same(embedded_pair: Endpoints) -> None:
    examination = App(embedded_pair, "nodejs").profile(WALL, 400 * MS, signs={"pyroscope_spy": "nodespy"}).examine()

    assert examination.verdict is Verdict.OK, examination.lines()


@pytest.mark.parametrize(
    ("signs", "name"),
    [
        ({"pyroscope_spy": "ebpfspy"}, "an eBPF profiler"),
        ({"pyroscope_spy": "alloy.ebpf"}, "an eBPF profiler"),
        ({"otel.scope.name": "com.grafana.alloy/pyroscope.ebpf"}, "an eBPF profiler"),
        ({"pyroscope_spy": "alloy.java"}, "Alloy's pyroscope.java"),
    ],
)
def test_a_profiler_that_can_never_be_linked_is_named(
    embedded_pair: Endpoints, signs: Mapping[str, str], name: str
) -> None:
    app = App(embedded_pair, "java").profile(CPU, 300 * MS, label="", signs=signs)

    told = assert_broken(app.examine(), "sample labels")

    assert f"the profiles are taken by {name}" in told
    assert "profile with the agent made for Java" in told


def test_ruby_labels_by_profile_id_and_is_linked(embedded_pair: Endpoints) -> None:
    app = App(embedded_pair, "ruby").profile(CPU, 300 * MS, label="profile_id", signs={"pyroscope_spy": "rbspy"})

    assert app.examine().verdict is Verdict.OK


def test_datadogs_labels_on_samples_are_named(embedded_pair: Endpoints) -> None:
    more = {"trace endpoint": "GET /bike", "local root span id": "8236571"}
    app = App(embedded_pair, "go").profile(CPU, 300 * MS, label="span id", more=more, signs={"pyroscope_spy": "gospy"})

    told = assert_broken(app.examine(), "sample labels")

    assert "labels of Datadog's tracer" in told
    assert "'local root span id'" in told
    assert "NewTracerProvider" in told


def test_span_ids_of_another_sdk_are_named_as_strangers(embedded_pair: Endpoints) -> None:
    app = App(embedded_pair, "go")
    foreign = [replace(ride, span_id=new_span_id()) for ride in app.rides]
    app.rides = foreign
    app.profile(CPU, 300 * MS, signs={"pyroscope_spy": "gospy"})

    told = assert_broken(app.examine(), "link")

    assert "another tracer's SDK labels the samples" in told
    assert any(ride.span_id in told for ride in foreign)
