"""Provisioning files, read as Grafana reads them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from spanprofiles.linking.grafana import DataSources, Doubt, SettingsError, Tag, read_data_sources, resolve
from spanprofiles.linking.grafana.datasource import generated_uid
from spanprofiles.linking.grafana.provisioning import expand
from spanprofiles.model import CPU, Trace
from tests.unit.grafana.builders import PYROSCOPE, a_span, settings, tempo

FILE = """\
apiVersion: 1
datasources:
  - {name: Profiles, uid: pyroscope, type: grafana-pyroscope-datasource, url: "http://pyroscope:4040"}
  - name: Traces
    uid: tempo
    type: tempo
    jsonData:
      tracesToProfiles:
        datasourceUid: $PROFILES_UID
        profileTypeId: "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
        customQuery: true
        query: '{$${__tags}, region="${REGION}"}'
        tags:
          - {key: service.name, value: service_name}
          - key: host.name
"""
KNOWN = {"PROFILES_UID": "pyroscope", "REGION": "eu-north"}


def read(path: Path, text: str, environment: Mapping[str, str] = KNOWN) -> DataSources:
    path.write_text(text, encoding="utf-8")
    return read_data_sources([path], environment)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "datasources.yaml"


def test_the_settings_come_out_with_their_variables_filled_in(path: Path) -> None:
    traces = read(path, FILE).tempo().traces_to_profiles

    assert traces is not None
    assert traces.datasource_uid == "pyroscope"
    assert traces.profile_type == CPU
    assert traces.query == '{${__tags}, region="eu-north"}'
    assert traces.tags == (Tag("service.name", "service_name"), Tag("host.name", "host.name"))


def test_a_query_whose_dollars_are_not_doubled_becomes_empty_and_that_is_said(path: Path) -> None:
    sources = read(path, FILE.replace("$${__tags}", "${__tags}"))
    span = a_span()

    link = resolve(sources.tempo(), sources, span, Trace.of(span.trace_id, [span]))

    assert link.query is not None
    assert link.query.label_selector == '{, region="eu-north"}'
    (text,) = [warning.text for warning in link.warnings if warning.doubt is Doubt.SETTINGS]
    assert text.startswith(f"{path}:12: datasources[1].jsonData.tracesToProfiles.query: ${{__tags}} is taken")
    assert "write $${__tags}" in text


def test_what_the_link_does_not_depend_on_is_not_complained_of(path: Path) -> None:
    sources = read(path, FILE.replace("http://pyroscope:4040", "$ADDRESS"))

    assert [note for source in sources for note in source.notes] == []


def test_secrets_are_not_read(path: Path) -> None:
    hidden = "    secureJsonData: {password: '$__file{/run/secrets/password}'}\n"

    assert read(path, FILE.replace("    jsonData:", hidden + "    jsonData:")).tempo().uid == "tempo"


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$A", "1"),
        ("${A}", "1"),
        ("$A-$B", "1-2"),
        ("$$A", "$A"),
        ("$${A}", "${A}"),
        ("$$$A", "$1"),
        ("$__env{A}", "1"),
        ("a $ b", "a $ b"),
        ("5$", "5$"),
        ("${}", ""),
        ("$AB", ""),
        ("${A", "A"),
    ],
)
def test_variables_are_expanded_as_grafana_does(text: str, expanded: str) -> None:
    assert expand(text, {"A": "1", "B": "2"})[0] == expanded


def test_only_variables_that_are_not_set_are_reported() -> None:
    assert expand("$A ${NO} $ALSO_NO $$NEVER", {"A": ""})[1] == ["${NO}", "$ALSO_NO"]


def test_the_process_environment_is_taken_by_default(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROFILES_UID", "from-the-process")
    path.write_text(FILE, encoding="utf-8")

    traces = read_data_sources([path]).tempo().traces_to_profiles

    assert traces is not None
    assert traces.datasource_uid == "from-the-process"


def test_a_folder_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("datasources: [{name: A, type: tempo}]")
    (tmp_path / "b.yml").write_text("datasources: [{name: B, type: loki}]")
    (tmp_path / "c.txt").write_text("no data source")

    assert [source.name for source in read_data_sources([tmp_path])] == ["A", "B"]


def test_what_the_api_answers_can_be_a_file_too_and_is_not_expanded_again(path: Path) -> None:
    query = settings(customQuery=True, query='{region="$REGION"}')

    for content in (tempo(query), [tempo(query), PYROSCOPE]):
        traces = read(path, json.dumps(content)).tempo().traces_to_profiles
        assert traces is not None
        assert traces.query == '{region="$REGION"}'


def test_without_a_uid_grafana_makes_one_of_the_name(path: Path) -> None:
    assert read(path, "datasources: [{name: Prometheus, type: tempo}]").tempo().uid == "PBFA97CFB590B2093"
    assert generated_uid("Tempo") != generated_uid("Pyroscope")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("datasources: [\n", "{path}:2: not YAML"),
        ("a: b: c", "{path}:1: not YAML"),
        ("apiVersion: 1\n", "{path}:1: a list of data sources under the key 'datasources' is expected"),
        ("apiVersion: 1\ndatasources: tempo\n", "{path}:2: datasources: a list of data sources"),
        ("datasources:\n  - tempo\n", "{path}:2: datasources[0]: keys and values are expected, not 'tempo'"),
        ("datasources:\n  - uid: a\n    type: tempo\n", "{path}:2: datasources[0].name: it is missing or empty"),
        (
            FILE.replace("uid: tempo", "uid: 7"),
            "{path}:5: datasources[1].uid: a text is expected, not 7",
        ),
        (
            FILE.replace("          - {key: service.name, value: service_name}", "          - service.name"),
            "{path}:14: datasources[1].jsonData.tracesToProfiles.tags[0]: keys and values are expected",
        ),
        (
            FILE.replace("          - key: host.name", "          - value: hostname"),
            "{path}:15: datasources[1].jsonData.tracesToProfiles.tags[1].key: it is missing or empty",
        ),
        (
            FILE.replace("$PROFILES_UID", "$__file{/etc/uid}"),
            "{path}:9: datasources[1].jsonData.tracesToProfiles.datasourceUid: $__file{/etc/uid} can be read",
        ),
        (
            "datasources: [{name: A, uid: x, type: tempo}, {name: B, uid: x, type: tempo}]",
            "the data sources 'A' and 'B' have the same uid 'x'",
        ),
        ("", "there is no data source in {path}"),
        ("datasources: []", "there is no data source in {path}"),
    ],
)
def test_a_wrong_file_is_refused_with_file_line_and_key(path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError) as failure:
        read(path, text)

    assert str(failure.value).startswith(message.replace("{path}", str(path)))


def test_a_file_that_is_not_text_is_refused(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(SettingsError, match=r"not UTF-8 text \(byte 0\)"):
        read_data_sources([path], {})


def test_a_file_that_is_not_there_is_named(path: Path) -> None:
    with pytest.raises(SettingsError, match=f"{path}: it cannot be read: {os.strerror(2)}"):
        read_data_sources([path], {})


def test_a_folder_without_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no .yaml, .yml or .json file in this folder"):
        read_data_sources([tmp_path], {})


class TestChoice:
    TWO = (
        "datasources: [{name: A, uid: a, type: tempo}, {name: B, uid: b, type: tempo%s}, {name: C, uid: c, type: loki}]"
    )

    def test_of_several_tempo_sources_the_default_one_is_taken(self, path: Path) -> None:
        assert read(path, self.TWO % ", isDefault: true").tempo().uid == "b"

    def test_without_a_default_one_must_be_chosen(self, path: Path) -> None:
        with pytest.raises(SettingsError, match="choose one by its uid: a, b"):
            read(path, self.TWO % "").tempo()

    def test_one_can_be_chosen_by_its_uid(self, path: Path) -> None:
        assert read(path, self.TWO % "").tempo("a").name == "A"

    def test_an_unknown_uid_is_named_with_those_there_are(self, path: Path) -> None:
        with pytest.raises(SettingsError, match=r"no data source with the uid 'x'; there are: a \(tempo\)"):
            read(path, self.TWO % "").tempo("x")

    def test_a_source_of_another_type_cannot_be_chosen(self, path: Path) -> None:
        with pytest.raises(SettingsError, match="'c' is of type 'loki', 'tempo' is needed"):
            read(path, self.TWO % "").tempo("c")

    def test_without_a_tempo_source_that_is_said(self, path: Path) -> None:
        with pytest.raises(SettingsError, match="no data source of type 'tempo'"):
            read(path, "datasources: [{name: C, uid: c, type: loki}]").tempo()
