"""The older way in: stacks as text, pprof in forms, names with tags, times in any unit, and what is wrong with each."""

from __future__ import annotations

import gzip
import io
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from spanprofiles.embedded.proto.pprof_pb2 import Profile
from spanprofiles.embedded.pyroscope.appname import parse_name, time_ns
from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.folded import LONGEST_LINE
from spanprofiles.embedded.pyroscope.ingest import EARLIEST_NS
from tests.support.conformance.meaning import call_tree
from tests.support.pprof_writer import pprof
from tests.unit.embedded.conftest import BODY_LIMIT, Applications

NOW_S = int(time.time())
NOW_NS = 1_700_000_000 * 10**9
CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
WINDOW = {"start": str((NOW_S - 3_000) * 1_000), "end": str((NOW_S + 600) * 1_000)}
SAMPLE_NS = 10_000_000


def ingest(applications: Applications, body: bytes | dict[str, Any], **query: str) -> TestResponse:
    """Send a body, or a form, for the application `shop` unless another is named."""
    return applications.pyroscope.post("/ingest", data=body, query_string={"name": "shop"} | query)


def tree(applications: Applications, profile_type: str = CPU, selector: str = "{}", **window: str) -> dict[str, int]:
    """The own value of each path."""
    body = {"profileTypeID": profile_type, "labelSelector": selector} | WINDOW | window
    graph = applications.call("SelectMergeStacktraces", body)["flamegraph"]
    paths = call_tree(graph["names"], graph["levels"])
    return {">".join(path[1:]): own for path, (_, own) in paths.items() if own}


def types(applications: Applications) -> list[str]:
    return [kind["ID"] for kind in applications.call("ProfileTypes", WINDOW).get("profileTypes", [])]


def test_the_example_of_the_api_page_is_taken_as_curl_sends_it(applications: Applications) -> None:
    response = applications.pyroscope.post(
        f"/ingest?name=curl-test-app&from={NOW_S - 10}&until={NOW_S}",
        data=b"foo;bar 100\n foo;baz 200",
        content_type="application/x-www-form-urlencoded",
    )
    assert (response.status_code, response.data) == (200, b"")
    found = tree(applications, selector='{service_name="curl-test-app"}')
    assert found == {"foo>bar": 100 * SAMPLE_NS, " foo>baz": 200 * SAMPLE_NS}


@pytest.mark.parametrize("format_name", ["", "groups", "folded", "collapsed"])
@pytest.mark.parametrize("path", ["/ingest", "/pyroscope/ingest"])
def test_stacks_with_values_are_taken_whatever_the_format_is_called(
    applications: Applications, format_name: str, path: str
) -> None:
    body = b"main;a b;leaf 7\r\nmain 3\n\nnovalue\nmain;a b;leaf 2\nmain; 1\n"
    query = {"name": "shop", "format": format_name}
    assert applications.pyroscope.post(path, data=body, query_string=query).status_code == 200
    assert tree(applications) == {"main>a b>leaf": 9 * SAMPLE_NS, "main": 4 * SAMPLE_NS}


def test_stacks_one_a_line_are_counted(applications: Applications) -> None:
    assert ingest(applications, b"a;b\na;c\n\na;b 5\na;b", format="lines").status_code == 200
    assert tree(applications) == {"a>b": 2 * SAMPLE_NS, "a>c": SAMPLE_NS, "a>b 5": SAMPLE_NS}


@pytest.mark.parametrize(
    ("name", "profile_type", "value"),
    [
        ("shop", CPU, 30_000_000),
        ("shop.cpu", CPU, 30_000_000),
        ("shop.itimer", CPU, 30_000_000),
        ("my.shop.cpu", CPU, 30_000_000),
        ("shop.wall", "wall:wall:nanoseconds:cpu:nanoseconds", 30_000_000),
        ("shop.inuse_space", "memory:inuse_space:bytes::", 3),
        ("shop.alloc_objects", "memory:alloc_objects:count::", 3),
        ("shop.mutex_count", "mutex:contentions:count::", 3),
        ("shop.block_duration", "block:delay:nanoseconds::", 3),
        ("shop.lock_count", "block:contentions:count::", 3),
        ("shop.goroutines", "goroutine:goroutines:count::", 3),
        ("shop.exceptions", "exceptions:samples:count::", 3),
    ],
)
def test_the_end_of_the_name_says_which_type_a_text_is(
    applications: Applications, name: str, profile_type: str, value: int
) -> None:
    assert ingest(applications, b"f 3", name=name).status_code == 200
    assert types(applications) == [profile_type]
    service = "my.shop" if name.startswith("my") else "shop"
    assert tree(applications, profile_type, f'{{service_name="{service}"}}') == {"f": value}


@pytest.mark.parametrize(
    ("rate", "sample_ns"), [("50", 20_000_000), ("1000000000", 1), ("x", SAMPLE_NS), ("-5", SAMPLE_NS), ("", SAMPLE_NS)]
)
def test_samples_become_time_by_their_rate(applications: Applications, rate: str, sample_ns: int) -> None:
    assert ingest(applications, b"f 3", sampleRate=rate).status_code == 200
    assert tree(applications) == {"f": 3 * sample_ns}


def test_a_rate_of_zero_leaves_samples_what_they_are(applications: Applications) -> None:
    assert ingest(applications, b"f 3", sampleRate="0").status_code == 200
    assert types(applications) == ["process_cpu:samples:count::"]


def test_a_text_may_come_compressed_and_is_then_no_text(applications: Applications) -> None:
    """The real server does not look at Content-Encoding here; a client that compresses is told nothing, or 422."""
    response = applications.pyroscope.post(
        "/ingest?name=shop", data=gzip.compress(b"f 3"), headers={"Content-Encoding": "gzip"}
    )
    assert response.status_code in {200, 422}
    assert types(applications) == []


@pytest.mark.parametrize(
    ("body", "query", "status", "says"),
    [
        (b"[object FormData]", {}, 422, 'not "FormData]"'),
        (b"a;b 1.5", {}, 422, 'not "1.5"'),
        (b"a;b 1_0", {}, 422, 'not "1_0"'),
        (b"a;b 99999999999999999999", {}, 422, "whole number"),
        (b"good 1\nbad x\n", {}, 422, 'not "x"'),
        (b"a" * LONGEST_LINE + b" 1", {}, 422, "longer than 65536 bytes"),
        (b"a" * LONGEST_LINE, {"format": "lines"}, 422, "longer than 65536 bytes"),
        (b"\xff 1", {}, 400, "not UTF-8"),
        (b"f 1", {"name": "shop.other"}, 400, "unknown profile type: other"),
        (b"f 1", {"from": str(NOW_S - 7_200)}, 400, "outside of ingestion window"),
        (b"f 1", {"name": ""}, 400, "service name is required"),
        (b"f 1", {"name": "{a=b}"}, 400, "service name is required"),
        (b"f 1", {"name": "my shop"}, 400, "my shop: character is not allowed: ' '"),
        (b"f 1", {"name": "shop{a-b=c}"}, 400, "a-b: character is not allowed: '-'"),
        (b"f 1", {"name": "shop{a=b}{c=d}"}, 400, "{c: character is not allowed: '{'"),
        (b"f 1", {"name": "shop{=c}"}, 400, "label name is required"),
        (b"f 1", {"name": "shop{pyroscope_spy=a}"}, 400, "duplicate label name: 'pyroscope_spy'"),
        (b"x", {"format": "trie"}, 400, '"trie" is not taken'),
        (b"{}", {"format": "speedscope"}, 400, '"speedscope" is not taken'),
        (b"FLR", {"format": "jfr"}, 422, "JFR"),
        (b"nonsense", {"format": "pprof"}, 422, "gzip"),
        (pprof({"t": -7_200, "types": [["cpu", "nanoseconds"]], "samples": []}, NOW_S), {"format": "pprof"}, 422,
         "outside of ingestion window"),
    ],
    ids=["form data", "fraction", "underscore", "huge", "one bad line", "long", "long line", "no UTF-8", "type", "old",
         "no name", "tags alone", "space", "dash", "more tags", "no tag", "twice", "trie", "speedscope", "JFR",
         "no pprof", "old pprof"],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_the_reason_and_nothing_is_kept(
    applications: Applications, body: bytes, query: dict[str, str], status: int, says: str
) -> None:
    response = ingest(applications, body, **query)
    assert response.status_code == status
    assert says in response.get_json()["message"]
    assert response.get_json()["code"] == ("unknown" if status == 422 else "invalid_argument")
    assert types(applications) == []


def test_an_empty_body_is_no_profile_and_no_mistake(applications: Applications) -> None:
    for query in ({}, {"format": "lines"}, {"format": "pprof"}):
        assert ingest(applications, b"", **query).status_code == 200
    assert types(applications) == []


@pytest.mark.parametrize(("tags", "status"), [(26, 200), (27, 422)])
def test_tags_are_counted_with_those_that_the_server_adds(applications: Applications, tags: int, status: int) -> None:
    name = f"shop{{{','.join(f't{number}=v' for number in range(tags))}}}"
    body = pprof({"t": -5, "types": [["cpu", "nanoseconds"]], "samples": [{"stack": ["f"], "values": [5]}]}, NOW_S)
    assert ingest(applications, body, name=name, format="pprof").status_code == status


PROFILE = {"t": -5, "types": [["contentions", "count"], ["delay", "nanoseconds"]],
           "samples": [{"stack": ["f"], "values": [1, 2]}]}  # fmt: skip


def form(profile: bytes, configuration: bytes | None = None) -> dict[str, Any]:
    parts = {"profile": (io.BytesIO(profile), "profile.pprof")}
    return parts if configuration is None else parts | {"sample_type_config": (io.BytesIO(configuration), "c.json")}


@pytest.mark.parametrize(
    ("configuration", "metric"),
    [
        (None, "mutex"),
        (b'{"contentions": {"units": "lock_samples", "display-name": "block_count"}}', "block"),
        (b'{"delay": {"display-name": "block_duration"}, "contentions": {}}', "block"),
        (b"{}", "delay"),
        (b"null", "mutex"),
    ],
)
def test_a_forms_configuration_says_whose_contentions_they_are(
    applications: Applications, configuration: bytes | None, metric: str
) -> None:
    assert ingest(applications, form(pprof(PROFILE, NOW_S), configuration)).status_code == 200
    assert {kind.split(":")[0] for kind in types(applications)} == {metric}


@pytest.mark.parametrize("configuration", [b"{", b"[1]", b'{"a": 5}', b'{"a": {"display-name": 5}}', b"\xff"])
def test_a_configuration_that_is_none_is_refused(applications: Applications, configuration: bytes) -> None:
    response = ingest(applications, form(pprof(PROFILE, NOW_S), configuration))
    assert response.status_code == 422
    assert "sample_type_config" in response.text
    assert types(applications) == []


def test_a_form_without_a_profile_is_answered_as_there_and_told_as_lost(applications: Applications) -> None:
    response = applications.pyroscope.post(
        "/ingest?name=shop", data={"profile": "a field and no file"}, content_type="multipart/form-data"
    )
    assert response.status_code == 200
    (refusal,) = applications.pyroscope.get("/spanprofiles/refused").get_json()["refused"]
    assert 'no file called "profile"' in refusal["message"]


def test_what_says_it_is_a_form_and_is_none_is_refused(applications: Applications) -> None:
    for content_type in ("multipart/form-data; boundary=x", "multipart/form-data"):
        response = applications.pyroscope.post("/ingest?name=shop", data=b"nonsense", content_type=content_type)
        assert response.status_code == 422


@pytest.mark.parametrize(
    ("spy", "file", "function"),
    [
        ("rbspy", "app.rb", "app.rb work"),
        ("rbspy", "/srv/app.rb", "/srv/app.rb work"),
        ("scripting", "app.js", "app.js work"),
        ("pyspy", "app.py", "app.py work"),
        ("pyspy", "/srv/app.py", "work"),
        ("pyspy", "", " work"),
        ("gospy", "app.go", "work"),
    ],
)
def test_functions_of_scripting_languages_are_told_apart_by_their_files(
    applications: Applications, spy: str, file: str, function: str
) -> None:
    profile = {"t": -5, "types": [["cpu", "nanoseconds"]], "samples": [{"stack": ["work"], "values": [5]}]}
    body = pprof(profile, NOW_S).replace(b"2\x06app.py", b"2" + bytes([len(file)]) + file.encode())
    assert ingest(applications, body, spyName=spy, format="pprof").status_code == 200
    assert tree(applications) == {function: 5}


@pytest.mark.parametrize(
    ("text", "service", "labels"),
    [
        ("shop", "shop", {}),
        (" shop {}", "shop", {}),
        ("shop{a=b}", "shop", {"a": "b"}),
        ("shop{a=b, c = d e }", "shop", {"a": "b", "c": "d e"}),
        ("shop{a=b", "shop", {}),
        ("shop{a=b,c=d", "shop", {"a": "b"}),
        ("shop{a}", "shop", {}),
        ('shop{a="b"}', "shop", {"a": '"b"'}),
        ("shop{a==b}", "shop", {"a": "=b"}),
        ("a.b/c-d_E9", "a.b/c-d_E9", {}),
        ("shop{__delta__=x,__session_id__=1}", "shop", {"__session_id__": "1"}),
        ("shop{__name__=other}", "other", {}),
        ("shop{host.name=h1}", "shop", {"host.name": "h1"}),
    ],
)
def test_a_name_is_taken_apart_as_pyroscope_does(text: str, service: str, labels: dict[str, str]) -> None:
    name = parse_name(text)
    assert (name.service, name.labels) == (service, labels)


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [
        ("", NOW_NS),
        ("nonsense", NOW_NS),
        ("1700000001", 1_700_000_001 * 10**9),
        ("1700000001500", 1_700_000_001_500 * 10**6),
        ("1700000001500000", 1_700_000_001_500_000 * 10**3),
        ("1700000001500000000", 1_700_000_001_500_000_000),
        ("1_700_000,001", 1_700_000_001 * 10**9),
        ("20231114", 1_699_920_000 * 10**9),
        ("99999999", 99_999_999 * 10**9),
        ("0", 0),
        ("9" * 400, 2**63 - 1),
        ("now", NOW_NS),
        ("now-1h", NOW_NS - 3_600 * 10**9),
        ("now-1h30min", NOW_NS - 5_400 * 10**9),
        ("now+2d", NOW_NS + 172_800 * 10**9),
        ("-5m", NOW_NS - 300 * 10**9),
        ("now-1M", NOW_NS - 2_592_000 * 10**9),
        ("now-5x", NOW_NS),
    ],
)
def test_a_time_is_read_in_whatever_unit_it_has(text: str, expected_ns: int) -> None:
    assert time_ns(text, NOW_NS) == expected_ns


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_the_time_of_a_text_is_the_beginning_of_its_window(applications: Applications, unit: int) -> None:
    assert ingest(applications, b"f 1", **{"from": str((NOW_S - 100) * unit)}).status_code == 200
    at_ms = (NOW_S - 100) * 1_000
    assert tree(applications, start=str(at_ms), end=str(at_ms)) == {"f": SAMPLE_NS}


def test_a_tag_may_name_the_service_and_the_application_is_kept(applications: Applications) -> None:
    assert ingest(applications, b"f 1", name="shop.cpu{service_name=other}").status_code == 200
    assert tree(applications, selector='{service_name="other", app_name="shop"}') == {"f": SAMPLE_NS}


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60), st.sampled_from(["", "lines", "pprof"]), st.text(max_size=12), st.text(max_size=12))
def test_whatever_is_sent_is_taken_or_refused(
    applications: Applications, body: bytes, format_name: str, name: str, since: str
) -> None:
    response = ingest(applications, body, format=format_name, name=f"shop{name}", **{"from": since})
    assert response.status_code in {200, 400, 422}


@given(st.text(max_size=30))
def test_any_name_is_taken_apart_or_refused(text: str) -> None:
    try:
        name = parse_name(text)
    except ConnectError:
        return
    assert name.service
    assert all(name.labels)


def test_a_text_has_the_agents_name_among_its_labels(applications: Applications) -> None:
    assert ingest(applications, b"f 1", spyName="rubyspy").status_code == 200
    assert tree(applications, selector='{pyroscope_spy="rubyspy"}') == {"f": SAMPLE_NS}
    assert ingest(applications, b"f 1", name="other").status_code == 200
    assert tree(applications, selector='{pyroscope_spy="unknown"}') == {"f": SAMPLE_NS}


@pytest.mark.parametrize(("time_ns", "is_its_own"), [(0, False), (EARLIEST_NS - 1, False), (EARLIEST_NS, True)])
def test_a_time_of_the_first_year_is_none_and_the_windows_is_taken(
    applications: Applications, time_ns: int, *, is_its_own: bool
) -> None:
    profile = Profile.FromString(pprof({**PROFILE, "t": None}, NOW_S))
    profile.time_nanos = time_ns
    response = ingest(
        applications, profile.SerializeToString(), format="pprof", **{"from": str(NOW_S - 50), "spyName": "gospy"}
    )
    # its own time would be of 1971, long before the window in which profiles are taken
    assert (response.status_code == 422) is is_its_own


def test_a_body_may_be_so_large_and_no_larger(applications: Applications) -> None:
    for size, status in ((BODY_LIMIT, 422), (BODY_LIMIT + 1, 413)):
        response = ingest(applications, b"a" * size)
        assert response.status_code == status
    assert response.get_json()["message"] == f"request body too large: the limit is {BODY_LIMIT} bytes"


def test_stacks_that_are_said_to_be_of_one_profile_are_taken_and_not_kept(applications: Applications) -> None:
    assert ingest(applications, b"f 3", name="shop{profile_id=7}").status_code == 200
    assert types(applications) == []
    assert ingest(applications, b"f x", name="shop{profile_id=7}").status_code == 422
