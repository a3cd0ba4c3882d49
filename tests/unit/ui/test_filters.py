from __future__ import annotations

import pytest

from spanprofiles.clients import TempoClient
from spanprofiles.model import Endpoints
from spanprofiles.ui.filters import FilterError, Filters

EVERYTHING = {
    "service": "shop",
    "route": '/a"b\\c',
    "region": "north",
    "shortest": "12.5",
    "linked": "1",
    "status": "5xx",
    "q": "{ duration > 1ms }",
    "window": "1h",
    "sort": "cpu",
    "order": "ascending",
}


def test_an_address_gives_filters_and_filters_give_the_address_back() -> None:
    assert Filters.read(EVERYTHING).parameters() == EVERYTHING


def test_filters_that_say_nothing_leave_the_address_empty() -> None:
    assert Filters.read({"service": "", "window": "15m", "linked": "0"}).parameters() == {}
    assert not Filters.read({}).narrow


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("shortest", "soon"),
        ("shortest", "-1"),
        ("shortest", "nan"),
        ("window", "2 weeks"),
        ("sort", "colour"),
        ("status", "teapot"),
    ],
)
def test_a_filter_that_is_none_names_the_parameter_and_what_is_expected(name: str, value: str) -> None:
    with pytest.raises(FilterError, match=r"expected|choose one of") as raised:
        Filters.read({name: value})

    assert raised.value.name == name
    assert repr(value) in str(raised.value)


@pytest.mark.parametrize("query", ["", "{ name = `x` }", "{ true } | count() > 1", "{ true } && { duration > 1ms }"])
def test_a_server_takes_every_combination_of_filters(embedded_pair: Endpoints, query: str) -> None:
    TempoClient(embedded_pair.tempo).search(Filters.read(EVERYTHING | {"q": query}).traceql())
