"""Provisioning files, read as Grafana reads them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from spanprofiles.linking.grafana import (
    DataSource,
    DataSources,
    Doubt,
    NoButton,
    SettingsError,
    Tag,
    document,
    read_data_sources,
    resolve,
)
from spanprofiles.linking.grafana.datasource import generated_uid
from spanprofiles.linking.grafana.document import Document
from spanprofiles.linking.grafana.provisioning import expand
from spanprofiles.model import CPU, Trace
from tests.support.grafana_settings import PYROSCOPE, a_span, settings, tempo

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


@pytest.mark.parametrize("name", ["name", "uid", "type"])
def test_what_names_a_data_source_is_said_where_it_becomes_empty(path: Path, name: str) -> None:
    source = {"name": "A", "uid": "a", "type": "tempo"}
    (found,) = read(path, json.dumps({"apiVersion": 1, "datasources": [{**source, name: f"{source[name]}$UNSET"}]}))

    (note,) = found.notes
    assert note.startswith(f"{path}:1: datasources[0].{name}: $UNSET is taken for an environment variable")


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


def test_files_and_folders_are_read_in_the_order_in_which_they_are_given(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.yaml").write_text(f"datasources: [{{name: {name}, type: tempo}}]")
    (tmp_path / "c.yaml").write_text("datasources: [{name: three, type: loki}]")

    found = read_data_sources([tmp_path / "two", tmp_path / "c.yaml", tmp_path / "one"])

    assert [source.name for source in found] == ["two", "three", "one"]


@pytest.mark.parametrize(
    ("given", "organization"),
    [
        ({"orgName": "Main", "orgId": 3}, "Main"),
        ({"orgId": 3}, "3"),
        ({"orgId": 0}, "1"),
        ({"orgName": "0"}, "1"),
        ({"orgName": ""}, "1"),
        ({}, "1"),
    ],
)
def test_a_data_source_belongs_to_an_organization_by_its_name_or_number(
    given: dict[str, object], organization: str
) -> None:
    assert DataSource.of({"name": "A", **given}).organization == organization


def test_of_an_empty_file_every_place_is_its_first_line() -> None:
    empty = Document("")

    assert (empty.value, empty.line(()), empty.line(("a", 0)), empty.written(("a",))) == (None, 1, 1, None)


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
        ("[5]", "{path}:1: [0]: keys and values are expected, not 5"),
        ("datasources:\n  - tempo\n", "{path}:2: datasources[0]: keys and values are expected, not 'tempo'"),
        ("datasources:\n  - uid: a\n    type: tempo\n", "{path}:2: datasources[0].name: it is missing or empty"),
        (
            FILE.replace("uid: tempo", "uid: [tempo]"),
            "{path}:5: datasources[1].uid: a text is expected, not a list",
        ),
        (
            FILE.replace("type: tempo", "type: {tempo: 1}"),
            "{path}:6: datasources[1].type: a text is expected, not keys and values",
        ),
        (
            "apiVersion: 1\ndatasources: [{name: A, type: tempo, jsonData: [tracesToProfiles]}]",
            "{path}:2: datasources[0].jsonData: keys and values are expected, not ['tracesToProfiles']",
        ),
        (
            FILE.replace("type: tempo", "type: tempo\n    isDefault: yes"),
            "{path}:7: datasources[1].isDefault: true or false is expected, not 'yes'",
        ),
        (
            FILE.replace("type: tempo", "type: tempo\n    isDefault: $NOBODY_SET_IT"),
            "{path}:7: datasources[1].isDefault: true or false is expected, not ''",
        ),
        (FILE.replace("apiVersion: 1", "apiVersion: one"), "{path}:1: apiVersion: a number is expected, not 'one'"),
        (
            FILE.replace("    uid: tempo", "    uid: tempo\n    uid: tempo2"),
            "{path}:6: the key 'uid' is given twice, first in line 5: Grafana refuses the file",
        ),
        (
            FILE.replace("        customQuery: true", "        customQuery: true\n        customQuery: false"),
            "{path}:12: the key 'customQuery' is given twice, first in line 11",
        ),
        (
            "apiVersion: 1\ndatasources: [{name: A, type: a, isDefault: true}, {name: B, type: b, isDefault: true}]",
            "P559AEAD08264D579, PDF7E70E5021544F4 are all the default data source: Grafana refuses more than one",
        ),
        (
            "a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a]\n"
            "c: &c [*b, *b, *b, *b, *b, *b, *b]\n"
            "d: &d [*c, *c, *c, *c, *c, *c, *c]\ne: &e [*d, *d, *d, *d, *d, *d, *d]\ndatasources: [*e, *e, *e, *e, *e]",
            "{path}: it stands for more than 100000 values",
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


@pytest.mark.parametrize("text", ["- {a: 1, a: 2}", "[[{a: 1, a: 2}]]", "datasources: [{b: {a: 1, a: 2}}]"])
def test_a_key_that_is_given_twice_is_found_wherever_grafana_reads(text: str) -> None:
    with pytest.raises(SettingsError, match="the key 'a' is given twice, first in line 1: Grafana refuses the file"):
        Document(text)


def test_a_file_may_stand_for_so_many_values_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "_MOST_VALUES", 4)

    assert Document("[1, 2, 3]").value == [1, 2, 3]
    with pytest.raises(SettingsError, match="it stands for more than 4 values, which is no provisioning file"):
        Document("[1, 2, {three: 3}]")


def test_a_file_that_is_not_text_is_refused(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(SettingsError) as failure:
        read_data_sources([path], {})
    assert str(failure.value) == f"{path}: it is not UTF-8 text (byte 0)"


@pytest.mark.parametrize(("line", "place"), [(6, ":7: "), (None, ": ")])
def test_a_file_that_is_no_yaml_is_refused_with_its_line_if_there_is_one(
    path: Path, monkeypatch: pytest.MonkeyPatch, line: int | None, place: str
) -> None:
    mark = None if line is None else yaml.Mark("", 0, line, 0, "", 0)

    def fail(_: str) -> Document:
        raise yaml.MarkedYAMLError(problem="it ends too early", problem_mark=mark)

    monkeypatch.setattr("spanprofiles.linking.grafana.provisioning.Document", fail)

    with pytest.raises(SettingsError) as failed:
        read(path, "")

    assert str(failed.value) == f"{path}{place}not YAML: it ends too early"


@pytest.mark.parametrize("text", ["a: \x01", "datasources: 0b_"])
def test_characters_and_numbers_that_yaml_does_not_have_are_refused(path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match=f"^{path}: not YAML: "):
        read(path, text)


def test_a_file_of_a_megabyte_is_read_and_a_larger_one_is_refused(path: Path) -> None:
    largest = FILE + "#" * (2**20 - len(FILE))

    assert read(path, largest).tempo().uid == "tempo"
    with pytest.raises(SettingsError) as failure:
        read(path, f"{largest}#")
    assert str(failure.value) == f"{path}: it has more than 1048576 bytes, which is no provisioning file"


def test_settings_may_be_nested_so_deeply_and_no_deeper(path: Path) -> None:
    def nested(depth: int) -> str:
        return json.dumps({"apiVersion": 1, "datasources": [tempo(other=json.loads("[" * depth + "]" * depth))]})

    assert read(path, nested(28)).tempo().uid == "tempo"
    with pytest.raises(SettingsError) as failure:
        read(path, nested(29))
    assert str(failure.value) == f"{path}:1: datasources[0].other: it is nested more than 30 levels deep"


def test_where_a_value_stands_is_told_with_what_is_wrong_of_it(path: Path) -> None:
    text = "a:\n  - b: 1\n    c: [2]\n"

    assert Document(text).written(("a", 0, "b")) == "1"
    assert Document(text).written(("a", 0, "b", "further")) is None
    assert [Document(text).line(place) for place in ((), ("a", 0, "c"), ("a", 0, "b", "x"), ("a", "x"))] == [1, 3, 2, 1]
    with pytest.raises(SettingsError, match="a text is expected, not a list") as failure:
        Document(text).written(("a", 0, "c"))
    assert failure.value.path == ("a", 0, "c")
    with pytest.raises(SettingsError) as failure:
        read(path, FILE.replace("uid: tempo", "uid: [tempo]"))
    assert failure.value.path == ("datasources", 1, "uid")


@pytest.mark.parametrize(
    ("source", "message", "place"),
    [
        ({"name": ["A"]}, "a text is expected, not ['A']", ("name",)),
        ({"name": "A", "uid": {"a": 1}}, "a text is expected, not {'a': 1}", ("uid",)),
        ({"type": "tempo"}, "it is missing or empty", ("name",)),
        ({"name": "A", "jsonData": []}, "keys and values are expected, not []", ("jsonData",)),
    ],
)
def test_what_is_wrong_of_an_answer_of_the_api_is_told_with_its_place(
    source: dict[str, object], message: str, place: tuple[str, ...]
) -> None:
    with pytest.raises(SettingsError) as failure:
        DataSource.of(source)
    assert (str(failure.value), failure.value.path) == (message, place)


def test_a_file_that_is_not_there_is_named(path: Path) -> None:
    with pytest.raises(SettingsError) as failure:
        read_data_sources([path], {})
    assert str(failure.value) == f"{path}: it cannot be read: {os.strerror(2)}"


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


class TestLeniency:
    """Where Grafana takes what is not quite right, so does this; and it is said where that surprises."""

    def notes(self, sources: DataSources) -> str:
        return " | ".join(note for source in sources for note in source.notes)

    @pytest.mark.parametrize("written", ["7", "0x10", "1.50", "true", "2026-11-26", "1:30", "yes", '"7"'])
    def test_a_uid_is_a_text_as_it_is_written(self, path: Path, written: str) -> None:
        assert read(path, FILE.replace("uid: tempo", f"uid: {written}")).tempo().uid == written.strip('"')

    @pytest.mark.parametrize("uid", ["has.dots", "has spaces", "x" * 41])
    def test_a_uid_that_grafana_takes_for_no_new_data_source_is_said(self, path: Path, uid: str) -> None:
        sources = read(path, FILE.replace("uid: tempo", f"uid: {uid}"))

        assert sources.tempo().uid == uid
        assert f"{path}:5: datasources[1].uid: Grafana refuses a new data source" in self.notes(sources)

    def test_a_uid_of_forty_letters_is_not(self, path: Path) -> None:
        assert self.notes(read(path, FILE.replace("uid: tempo", f"uid: {'x-_7' * 10}"))) == ""

    def test_a_provisioning_file_in_json_is_read_here_alone_and_that_is_said(self, tmp_path: Path) -> None:
        content = {"apiVersion": 1, "datasources": [tempo(settings())]}

        assert "whose names end with .yaml or .yml only" in self.notes(read(tmp_path / "a.json", json.dumps(content)))
        assert self.notes(read(tmp_path / "a.yaml", json.dumps(content))) == ""
        assert self.notes(read(tmp_path / "answer.json", json.dumps([tempo(settings())]))) == ""

    @pytest.mark.parametrize("written", ["null", "~", "", '""'])
    def test_a_uid_that_is_none_is_made_of_the_name(self, path: Path, written: str) -> None:
        assert read(path, FILE.replace("uid: tempo", f"uid: {written}")).tempo().uid == generated_uid("Traces")

    @pytest.mark.parametrize(
        ("written", "counts"),
        [("yes", True), ("no", True), ("off", True), ('"false"', True), ("true", True), ("false", False), ("0", False)],
    )
    def test_only_true_and_false_are_no_texts(self, path: Path, written: str, counts: bool) -> None:
        sources = read(path, FILE.replace("customQuery: true", f"customQuery: {written}"))

        traces = sources.tempo().traces_to_profiles
        assert traces is not None
        assert traces.custom_query is counts
        assert ("which counts as" in self.notes(sources)) is (written not in {"true", "false"})

    @pytest.mark.parametrize(
        ("written", "is_default"), [("true", True), ('"true"', True), ("1", True), ("$ON", True), ("false", False)]
    )
    def test_what_go_takes_for_true_makes_the_default(self, path: Path, written: str, is_default: bool) -> None:
        text = FILE.replace("type: tempo", f"type: tempo\n    isDefault: {written}")

        assert read(path, text, {**KNOWN, "ON": "T"}).tempo().is_default is is_default

    def test_a_quoted_false_does_not_make_the_default(self, path: Path) -> None:
        assert not read(path, FILE.replace("type: tempo", 'type: tempo\n    isDefault: "false"')).tempo().is_default

    def test_what_is_merged_from_an_anchor_counts(self, path: Path) -> None:
        merged = "apiVersion: 1\nx: &x {uid: anchored, type: tempo}\ndatasources:\n  - <<: *x\n    name: A\n"

        (source,) = read(path, merged)

        assert (source.uid, source.type) == ("anchored", "tempo")

    def test_what_is_given_beside_a_merge_wins_and_is_not_given_twice(self, path: Path) -> None:
        merged = "apiVersion: 1\nx: &x {uid: other, type: tempo}\ndatasources: [{<<: *x, name: A, uid: own}]\n"

        assert read(path, merged).tempo().uid == "own"

    def test_only_the_first_document_of_a_file_is_read(self, path: Path) -> None:
        sources = read(path, f"---\n{FILE}---\ndatasources: [{{name: B, type: loki}}]\n")

        assert [source.name for source in sources] == ["Profiles", "Traces"]
        assert "what follows the first ---" in self.notes(sources)

    def test_what_follows_it_need_be_no_yaml(self, path: Path) -> None:
        assert read(path, FILE + "...\nnotes: [").tempo().uid == "tempo"

    def test_what_grafana_does_not_read_may_say_a_thing_twice(self, path: Path) -> None:
        assert read(path, FILE + "x-notes: {by: a, by: b}\n").tempo().uid == "tempo"

    def test_a_file_may_begin_with_a_byte_order_mark(self, path: Path) -> None:
        assert read(path, "\ufeff" + FILE).tempo().uid == "tempo"

    def test_a_file_that_only_deletes_provisions_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "delete.yaml").write_text("apiVersion: 1\ndeleteDatasources: [{name: Old, orgId: 1}]\n")
        (tmp_path / "empty.yaml").write_text("apiVersion: 1\ndatasources:\n")
        (tmp_path / "sources.yaml").write_text(FILE)

        assert [source.name for source in read_data_sources([tmp_path], KNOWN)] == ["Profiles", "Traces"]

    def test_an_entry_with_a_name_that_was_there_changes_that_data_source(self, path: Path) -> None:
        again = "  - {name: Traces, type: tempo, jsonData: {tracesToProfiles: {datasourceUid: other}}}\n"

        sources = read(path, FILE + again)

        assert [source.uid for source in sources] == ["pyroscope", "tempo"]
        traces = sources.tempo().traces_to_profiles
        assert traces is not None
        assert traces.datasource_uid == "other"
        assert "'Traces' is given more than once, and the last entry counts" in self.notes(sources)

    def test_organizations_have_data_sources_of_their_own(self, path: Path) -> None:
        two = "apiVersion: 1\ndatasources:\n" + "".join(
            f"  - {{orgId: {org}, name: {name}, uid: {name}, type: {kind}, isDefault: {default},"
            " jsonData: {tracesToProfiles: {datasourceUid: P}}}\n"
            for org in (1, 2)
            for name, kind, default in (("T", "tempo", "true"), ("P", f"of-{org}", "false"))
        )
        sources = read(path, two)

        with pytest.raises(SettingsError, match="several Tempo data sources"):
            sources.tempo()
        first = sources.tempo("T")
        found = sources.find("P", first.organization)
        assert found is not None
        assert (first.organization, found.type) == ("1", "of-1")

    def test_an_entry_without_a_type_is_no_tempo_and_no_error(self, path: Path) -> None:
        assert read(path, FILE + "  - {name: Half}\n").tempo().uid == "tempo"
        with pytest.raises(
            SettingsError, match=r"there is no data source of type 'tempo'; there are: t \(without a type"
        ):
            read(path, "apiVersion: 1\ndatasources: [{name: T, uid: t}]").tempo()

    def test_a_file_without_a_version_is_read_by_its_oldest_names(self, path: Path) -> None:
        entry = "{name: Old, type: tempo, is_default: true, json_data: {tracesToProfiles: {query: $X}}}"

        source = read(path, f"datasources: [{entry}]").tempo()

        assert (source.uid, source.is_default, source.notes) == (generated_uid("Old"), True, ())
        assert source.traces_to_profiles is not None
        assert source.traces_to_profiles.query == "$X", "the oldest form knows no variables of the environment"

    @pytest.mark.parametrize("name", ["uid: x", "jsonData: {}", "isDefault: true"])
    def test_beside_one_of_todays_names_the_oldest_are_not_read(self, path: Path, name: str) -> None:
        settings_of_old = f"json_data: {json.dumps({'tracesToProfiles': settings()})}"
        entry = "datasources:\n  - {name: A, type: tempo, %s}"

        assert read(path, entry % settings_of_old).tempo().traces_to_profiles is not None
        assert read(path, entry % f"{settings_of_old}, {name}").tempo().traces_to_profiles is None

    def test_without_a_version_todays_names_count_and_a_warning_says_grafana_differs(self, path: Path) -> None:
        source = read(path, FILE.replace("apiVersion: 1\n", "")).tempo()

        assert source.uid == "tempo"
        assert source.traces_to_profiles is not None
        assert any("without apiVersion: 1 Grafana reads the file in its oldest form" in note for note in source.notes)

    @pytest.mark.parametrize(
        ("old", "new", "note"),
        [
            ("jsonData:", "jsondata:", "jsondata is not read by Grafana: the name is jsonData"),
            ("jsonData:", "json_data:", "json_data is not read by Grafana: the name is jsonData"),
            ("    jsonData:\n      traces", "    traces", "tracesToProfiles stands beside jsonData"),
            ("tracesToProfiles:", "tracesToProfilesV2:", "jsonData.tracesToProfilesV2 is not read by Grafana"),
            ("tracesToProfiles:", "traceToProfiles:", "jsonData.traceToProfiles is not read by Grafana"),
        ],
    )
    def test_a_name_that_grafana_does_not_read_gives_no_button_and_is_said(
        self, path: Path, old: str, new: str, note: str
    ) -> None:
        sources = read(path, FILE.replace(old, new))
        span = a_span()

        link = resolve(sources.tempo(), sources, span, Trace.of(span.trace_id, [span]))

        assert link.no_button is NoButton.NOT_CONFIGURED
        assert [warning.text for warning in link.warnings if note in warning.text]
