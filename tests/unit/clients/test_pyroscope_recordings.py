"""Every recorded answer of a real Pyroscope, read by the client and compared with what had been pushed."""

from __future__ import annotations

from typing import Any

import pytest

from spanprofiles.clients import ProfileQuery, PyroscopeClient, RequestRefusedError, UnexpectedAnswerError
from spanprofiles.model import FlameGraph, IdentifierError, parse_span_id
from tests.support.recordings import Exchange, exchanges, merged, selected
from tests.unit.clients.conftest import RecordedServer

_ALL = [exchange for exchange in exchanges("pyroscope", "pyroscope_more") if exchange.phase == "query"]
_MERGES = [exchange for exchange in _ALL if exchange.call in {"SelectMergeSpanProfile", "SelectMergeStacktraces"}]
_OTHER_FORMATS = {"PROFILE_FORMAT_TREE", "PROFILE_FORMAT_PPROF"}


def _is_refused_here(exchange: Exchange) -> bool:
    """Whether the client must not even send this: the server would answer with everything, or an error of its own."""
    asked = exchange.request
    spans, traces = asked.get("spanSelector"), asked.get("traceIdSelector", [])
    if exchange.call == "SelectMergeSpanProfile" and not spans:
        return True
    return any(
        not text or set(text.lower()) - set("0123456789abcdef") or len(text) > 16 for text in spans or []
    ) or any(len(text) != 32 for text in traces)


def _is_in_another_format(exchange: Exchange) -> bool:
    return exchange.request.get("format") in _OTHER_FORMATS


_REFUSED_HERE = [exchange for exchange in _MERGES if _is_refused_here(exchange)]
_REFUSED_THERE = [exchange for exchange in _MERGES if exchange.status >= 400 and exchange not in _REFUSED_HERE]
_OTHERWISE = [exchange for exchange in _MERGES if exchange.status == 200 and _is_in_another_format(exchange)]
_READ = [
    exchange
    for exchange in _MERGES
    if exchange not in _REFUSED_HERE and exchange.status == 200 and exchange not in _OTHERWISE
]


def _ask(client: PyroscopeClient, asked: dict[str, Any], call: str) -> FlameGraph:
    query = ProfileQuery(
        asked.get("labelSelector", ""), asked.get("start", 0), asked.get("end", 0), asked.get("profileTypeID", "")
    )
    if call == "SelectMergeSpanProfile" or "spanSelector" in asked:
        return client.span_profile(query, asked.get("spanSelector", []))
    if "traceIdSelector" in asked:
        return client.trace_profile(query, *asked["traceIdSelector"])
    return client.merged_profile(query)


def _ids(recorded: list[Exchange]) -> list[str]:
    return [exchange.name for exchange in recorded]


def test_the_recordings_have_something_of_everything() -> None:
    assert len(_READ) > 40
    assert len(_REFUSED_THERE) > 10
    assert len(_REFUSED_HERE) == 8
    assert len(_OTHERWISE) == 2
    assert sum(1 for exchange in _READ if merged(exchange.request)) > 25


@pytest.mark.parametrize("exchange", _READ, ids=_ids(_READ))
def test_a_flame_graph_has_the_samples_that_were_pushed(
    pyroscope: PyroscopeClient, recorded_server: RecordedServer, exchange: Exchange
) -> None:
    recorded_server.play(exchange)
    asked = exchange.request
    found = _ask(pyroscope, asked, exchange.call)
    expected = merged(asked)
    if asked.get("maxNodes"):  # the two functions under bike() are folded into one
        above = {path[:-1] for path in expected}
        expected = {(*path, "other"): sum(expected.values()) for path in above}
    assert found.stacks == expected
    assert found.total == sum(expected.values()) == int(exchange.json["flamegraph"].get("total", 0))


@pytest.mark.parametrize("exchange", _READ, ids=_ids(_READ))
def test_the_request_is_the_one_the_real_server_was_asked(
    pyroscope: PyroscopeClient, recorded_server: RecordedServer, exchange: Exchange
) -> None:
    recorded_server.play(exchange)
    asked = exchange.request
    _ask(pyroscope, asked, exchange.call)
    expected = {name: value for name, value in asked.items() if name not in {"maxNodes", "format"}}
    if "spanSelector" in asked:
        expected["spanSelector"] = [parse_span_id(span_id) for span_id in asked["spanSelector"]]
    (seen,) = recorded_server.seen
    assert seen.json == expected
    assert seen.method == exchange.method
    assert seen.headers["Content-Type"] == "application/json"
    if exchange.name != "merge by span":  # the client asks for spans by the other call
        assert seen.path == exchange.path


@pytest.mark.parametrize("exchange", _REFUSED_THERE, ids=_ids(_REFUSED_THERE))
def test_a_refused_query_says_why_in_the_servers_words(
    pyroscope: PyroscopeClient, recorded_server: RecordedServer, exchange: Exchange
) -> None:
    recorded_server.play(exchange)
    with pytest.raises(RequestRefusedError) as refused:
        _ask(pyroscope, exchange.request, exchange.call)
    assert refused.value.status == exchange.status
    assert refused.value.answer == " ".join(exchange.answer[:300].split())
    assert f"Pyroscope refused {recorded_server.url}/querier.v1.QuerierService/" in str(refused.value)


@pytest.mark.parametrize("exchange", _REFUSED_HERE, ids=_ids(_REFUSED_HERE))
def test_a_selector_that_names_no_span_is_refused_before_anything_is_sent(
    pyroscope: PyroscopeClient, recorded_server: RecordedServer, exchange: Exchange
) -> None:
    recorded_server.play(exchange)
    with pytest.raises(IdentifierError):
        _ask(pyroscope, exchange.request, exchange.call)
    assert recorded_server.seen == []


@pytest.mark.parametrize("exchange", _OTHERWISE, ids=_ids(_OTHERWISE))
def test_samples_in_another_format_are_not_taken_for_none(
    pyroscope: PyroscopeClient, recorded_server: RecordedServer, exchange: Exchange
) -> None:
    recorded_server.play(exchange)
    assert merged(exchange.request)
    with pytest.raises(UnexpectedAnswerError, match="no flame graph in it"):
        _ask(pyroscope, exchange.request, exchange.call)


_PPROF = next(exchange for exchange in _OTHERWISE if exchange.request.get("format") == "PROFILE_FORMAT_PPROF")


def test_samples_as_pprof_are_those_of_the_flame_graph_with_their_files_and_lines(
    pyroscope: PyroscopeClient, recorded_server: RecordedServer
) -> None:
    recorded_server.play(_PPROF)
    asked = _PPROF.request

    lines = pyroscope.span_lines(ProfileQuery(asked["labelSelector"], asked["start"], asked["end"]), ["a1" * 8])

    assert lines.flamegraph.stacks == merged(asked)
    assert lines.total == sum(merged(asked).values())
    assert lines.files["find_nearest_vehicle"] == {"app.py"}
    main = lines.below(lines.ROOT, "main")
    assert main is not None
    assert [(place.file, place.line, place.value) for place in lines.places(main)] == [("app.py", 15, lines.total)]
    (seen,) = recorded_server.seen
    assert seen.json == asked | {"spanSelector": ["a1" * 8]}


def test_lines_without_a_span_are_refused_before_anything_is_sent(
    pyroscope: PyroscopeClient, recorded_server: RecordedServer
) -> None:
    recorded_server.play(_PPROF)
    for span_ids in ([], [""], ["no ID"]):
        with pytest.raises(IdentifierError):
            pyroscope.span_lines(ProfileQuery("{}", 1, 2), span_ids)
    assert recorded_server.seen == []


_METADATA = [exchange for exchange in _ALL if exchange.call in {"LabelNames", "LabelValues", "Series", "ProfileTypes"}]
_METADATA_READ = [exchange for exchange in _METADATA if exchange.status == 200]
_METADATA_REFUSED = [exchange for exchange in _METADATA if exchange.status >= 400]


def _metadata(client: PyroscopeClient, call: str, asked: dict[str, Any]) -> list[Any]:
    window, matchers = (asked.get("start", 0), asked.get("end", 0)), asked.get("matchers", [])
    if call == "LabelNames":
        return client.label_names(*window, matchers)
    if call == "LabelValues":
        return client.label_values(asked.get("name", ""), *window, matchers)
    if call == "Series":
        return client.series(*window, matchers, asked.get("labelNames", []))
    return client.profile_types(*window)


@pytest.mark.parametrize("exchange", _METADATA_READ, ids=_ids(_METADATA_READ))
def test_labels_series_and_profile_types_are_those_that_were_pushed(
    pyroscope: PyroscopeClient, recorded_server: RecordedServer, exchange: Exchange
) -> None:
    recorded_server.play(exchange)
    asked = exchange.request
    found = _metadata(pyroscope, exchange.call, asked)
    pushed = selected({name: value for name, value in asked.items() if name != "profileTypeID"})
    if exchange.call == "LabelNames":  # names with dots are left out by the server, and it adds some of its own
        expected = {
            name for profile in pushed for name in profile.labels if "." not in name and not name.startswith("__")
        }
        assert {name for name in found if not name.startswith("__")} == expected
    elif exchange.call == "LabelValues":
        assert set(found) == {profile.labels[asked["name"]] for profile in pushed if asked["name"] in profile.labels}
    elif exchange.call == "ProfileTypes":
        assert sorted(found) == sorted({profile.profile_type for profile in pushed})
    else:
        kept = set(asked.get("labelNames") or ["service_name", "region", "span_name", "__profile_type__"])
        all_labels = [{**profile.labels, "__profile_type__": profile.profile_type} for profile in pushed]
        assert {_part(labels, kept) for labels in found} == {_part(labels, kept) for labels in all_labels}
    (seen,) = recorded_server.seen
    assert seen.path == exchange.path
    assert {name: value for name, value in seen.json.items() if value} == {
        name: value for name, value in asked.items() if name != "nope"
    }


def _part(labels: dict[str, str], names: set[str]) -> frozenset[tuple[str, str]]:
    return frozenset((name, value) for name, value in labels.items() if name in names)


@pytest.mark.parametrize("exchange", _METADATA_REFUSED, ids=_ids(_METADATA_REFUSED))
def test_a_refused_question_about_labels_is_an_error_and_no_empty_list(
    pyroscope: PyroscopeClient, recorded_server: RecordedServer, exchange: Exchange
) -> None:
    recorded_server.play(exchange)
    asked = exchange.body["json"] if isinstance(exchange.body, dict) else {}
    with pytest.raises(RequestRefusedError, match=f"with {exchange.status}"):
        _metadata(pyroscope, exchange.call, {**asked, "start": 1, "end": 2})
