"""What a search and a question about tags may ask for, and what each wrong parameter is refused with."""

from __future__ import annotations

import pytest

from spanprofiles.embedded.tempo.parameters import Search, Window, limit_of
from spanprofiles.embedded.web import AnswerError

WEEK_S = 168 * 3600
START = 1_800_000_000
END = START + 60
ONE_BOUND = "error parsing date range: only one of start and end provided: must provide both or neither"


def refused(parameters: dict[str, str]) -> str:
    with pytest.raises(AnswerError) as caught:
        Search.of(parameters)
    assert caught.value.response.status_code == 400
    return caught.value.response.get_data(as_text=True)


def test_a_search_without_parameters_has_the_defaults_of_tempo() -> None:
    assert Search.of({}) == Search("", {}, 0, 0, limit=20, spans_per_spanset=3, window=Window(0, 0))


def test_a_search_is_read_from_its_parameters() -> None:
    parameters = {"q": "{}", "limit": "7", "spss": "5", "start": str(START), "end": str(END)}
    assert Search.of(parameters) == Search("{}", {}, 0, 0, limit=7, spans_per_spanset=5, window=Window(START, END))


def test_an_older_search_has_tags_and_bounds_of_duration() -> None:
    parameters = {"tags": 'a=b c="d e"', "minDuration": "1.5s", "maxDuration": "2m3ms"}
    expected = {"a": "b", "c": "d e"}
    assert Search.of(parameters) == Search("", expected, 1_500_000_000, 120_003_000_000, 20, 3, Window())


@pytest.mark.parametrize("empty", ["limit", "spss", "minDuration", "maxDuration", "start", "end", "q", "tags"])
def test_an_empty_parameter_is_as_if_it_were_not_there(empty: str) -> None:
    assert Search.of({empty: ""}) == Search.of({})


@pytest.mark.parametrize(
    ("parameters", "limit", "spans"),
    [
        ({"limit": "1", "spss": "1"}, 1, 1),
        ({"limit": str(256 * 1024), "spss": "100"}, 256 * 1024, 100),
        ({"spss": "0"}, 20, 3),
    ],
)
def test_as_much_as_tempo_gives_may_be_asked_for(parameters: dict[str, str], limit: int, spans: int) -> None:
    search = Search.of(parameters)
    assert (search.limit, search.spans_per_spanset) == (limit, spans)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"limit": "0"}, "invalid limit: must be a positive number"),
        ({"limit": "-1"}, 'invalid limit: strconv.ParseUint: parsing "-1": invalid syntax'),
        ({"limit": "٣"}, 'invalid limit: strconv.ParseUint: parsing "٣": invalid syntax'),
        ({"limit": "4294967296"}, 'invalid limit: strconv.ParseUint: parsing "4294967296": value out of range'),
        ({"limit": "9" * 5_000}, f'invalid limit: strconv.ParseUint: parsing "{"9" * 128}": value out of range'),
        ({"limit": "262145"}, "limit 262145 exceeds max limit 262144"),
        ({"limit": "4294967295"}, "limit 4294967295 exceeds max limit 262144"),
        ({"spss": '"'}, 'invalid spss: strconv.ParseUint: parsing "\'": invalid syntax'),
        ({"spss": "101"}, "spans per span set exceeds 100. received 101"),
        ({"start": "x"}, 'invalid start: strconv.ParseUint: parsing "x": invalid syntax'),
        ({"end": "1.5"}, 'invalid end: strconv.ParseUint: parsing "1.5": invalid syntax'),
        ({"end": "5"}, ONE_BOUND),
        ({"start": "5"}, 'http parameter start must be before end. received start="5" end=0'),
        ({"start": "5", "end": "5"}, 'http parameter start must be before end. received start="5" end="5"'),
        ({"start": "0", "end": "0"}, None),
        ({"start": "1", "end": str(WEEK_S + 1)}, None),
        (
            {"start": "1", "end": str(WEEK_S + 2)},
            f"range specified by start and end exceeds 168h0m0s. received start=1 end={WEEK_S + 2}",
        ),
        ({"q": "{}", "tags": "a=b"}, "invalid request: can't specify tags and q in the same query"),
        ({"minDuration": "1"}, 'invalid minDuration: time: invalid duration "1"'),
        ({"maxDuration": "5 s"}, 'invalid maxDuration: time: invalid duration "5 s"'),
        ({"maxDuration": "1.2.3s"}, 'invalid maxDuration: time: invalid duration "1.2.3s"'),
        ({"minDuration": "x" * 200}, f'invalid minDuration: time: invalid duration "{"x" * 128}"'),
        ({"minDuration": "2s", "maxDuration": "1s"}, "invalid maxDuration: must be greater than minDuration"),
        ({"minDuration": "1s", "maxDuration": "1s"}, None),
        ({"tags": "a"}, "invalid tags: logfmt syntax error at pos 1"),
        ({"tags": 'a=b "c'}, "invalid tags: logfmt syntax error at pos 4"),
        ({"tags": "a=b a=c"}, "invalid tags: tag a has been set twice"),
    ],
)
def test_a_parameter_is_refused_with_the_words_of_tempo(parameters: dict[str, str], message: str | None) -> None:
    if message is None:
        Search.of(parameters)
    else:
        assert refused(parameters) == message


@pytest.mark.parametrize(
    ("written", "tags"),
    [
        ("  a=b  c=d ", {"a": "b", "c": "d"}),
        ("a=", {"a": ""}),
        ('a=""', {"a": ""}),
        (r'a="say \"hi\" \\ there"', {"a": r'say "hi" \ there'}),
        ("service.name=shop http.status=200", {"service.name": "shop", "http.status": "200"}),
    ],
)
def test_tags_are_written_as_logfmt(written: str, tags: dict[str, str]) -> None:
    assert Search.of({"tags": written}).tags == tags


@pytest.mark.parametrize(
    ("parameters", "tags"),
    [
        ({"region": "eu", "limit": "5", "minDuration": "1s", "empty": ""}, {"region": "eu"}),
        ({"region": "eu", "tags": "a=b"}, {"a": "b"}),
        ({"region": "eu", "q": "{}"}, {}),
        ({"region": "eu", "start": "1", "end": "2"}, {}),
        ({"region": "eu", "spss": "1", "maxDuration": "1s", "start": "", "end": "0"}, {"region": "eu"}),
    ],
)
def test_in_the_oldest_search_each_tag_is_a_parameter(parameters: dict[str, str], tags: dict[str, str]) -> None:
    assert Search.of(parameters).tags == tags


@pytest.mark.parametrize(
    ("bounds", "taken"),
    [
        ({}, [True, True, True]),
        ({"minDuration": "5ns"}, [False, True, True]),
        ({"maxDuration": "5ns"}, [True, True, False]),
        ({"minDuration": "5ns", "maxDuration": "5ns"}, [False, True, False]),
        ({"minDuration": "5ns", "q": "{}"}, [True, True, True]),
    ],
)
def test_a_duration_within_its_bounds_is_taken(bounds: dict[str, str], taken: list[bool]) -> None:
    search = Search.of(bounds)
    assert [search.takes(duration_ns) for duration_ns in (4, 5, 6)] == taken


def test_a_window_bounds_a_search_to_the_nanosecond() -> None:
    assert Window(5, 7).bounds_ns == (5 * 10**9, 7 * 10**9)
    assert Window().bounds_ns == (None, None)


@pytest.mark.parametrize(
    "written", [str(START), f"{START}.9", f"{START}000000007", "2027-01-15T08:00:00Z", "2027-01-15T09:00:00+01:00"]
)
def test_tags_are_asked_for_by_seconds_nanoseconds_or_dates(written: str) -> None:
    assert Window.of_tags({"start": written, "end": str(END)}) == Window(START, END)
    assert Window.of_tags({"start": str(START - 5), "end": written}) == Window(START - 5, START)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"start": "5"}, ONE_BOUND),
        ({"end": "5"}, ONE_BOUND),
        ({"start": "x", "end": "5"}, "error parsing date range: could not parse 'start' parameter: "
         'strconv.ParseInt: parsing "x": invalid syntax'),
        ({"start": "5", "end": '"' + 200 * "x"}, "error parsing date range: could not parse 'end' parameter: "
         f"strconv.ParseInt: parsing \"'{127 * 'x'}\": invalid syntax"),
        ({"start": "5", "end": "inf"}, "error parsing date range: could not parse 'end' parameter: "
         'strconv.ParseInt: parsing "inf": invalid syntax'),
        ({"start": "6", "end": "5"},
         "range specified by start and end exceeds 168h0m0s. received start=6 end=5"),
    ],
)  # fmt: skip
def test_a_window_of_tags_is_refused_with_the_words_of_tempo(parameters: dict[str, str], message: str) -> None:
    with pytest.raises(AnswerError) as caught:
        Window.of_tags(parameters)
    assert caught.value.response.get_data(as_text=True) == message


def test_tags_of_one_moment_and_of_a_week_may_be_asked_for() -> None:
    assert Window.of_tags({"start": "5", "end": "5"}) == Window(5, 5)
    assert Window.of_tags({"start": "5", "end": str(5 + WEEK_S)}) == Window(5, 5 + WEEK_S)
    assert Window.of_tags({}) == Window()


@pytest.mark.parametrize(
    ("written", "limit"),
    [("5", 5), ("0", None), ("", None), ("x", None), ("-5", None), ("9999999999", 9_999_999_999), ("1" * 11, None)],
)
def test_a_limit_of_names_is_a_number_of_few_digits(written: str, limit: int | None) -> None:
    assert limit_of({"limit": written}) == limit


def test_without_a_limit_there_is_none() -> None:
    assert limit_of({}) is None
