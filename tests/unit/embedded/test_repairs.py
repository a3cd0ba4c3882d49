"""What the older API mends in the profiles of some agents, and what it leaves alone."""

from __future__ import annotations

import pytest

from spanprofiles.embedded.proto.pprof_pb2 import Function, Line, Location, Profile, ValueType
from spanprofiles.embedded.pyroscope import repairs
from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.repairs import mend

TEXTS = ["", "show", "app.py", "/srv/app.py", "inuse-space", "bytes", "app.py show"]
NONE: frozenset[str] = frozenset()


def profile(*functions: Function) -> Profile:
    return Profile(
        string_table=TEXTS,
        function=functions,
        location=[
            Location(id=7 + place, line=[Line(function_id=function.id)]) for place, function in enumerate(functions)
        ],
        sample_type=[ValueType(type=4, unit=5), ValueType(type=99)],
    )


def names(mended: Profile) -> list[str]:
    return [mended.string_table[function.name] for function in mended.function]


@pytest.mark.parametrize(
    ("spy", "file", "name"),
    [
        ("rbspy", 2, "app.py show"),
        ("rbspy", 3, "/srv/app.py show"),
        ("rbspy", 0, " show"),
        ("pyspy", 2, "app.py show"),
        ("pyspy", 3, "show"),
        ("gospy", 2, "show"),
    ],
)
def test_agents_of_scripting_languages_have_files_put_before_functions(spy: str, file: int, name: str) -> None:
    mended = profile(Function(id=1, name=1, filename=file))
    mend(mended, spy, NONE)
    assert names(mended) == [name]


@pytest.mark.parametrize("change", [{"name": 99}, {"filename": -1}])
def test_a_function_whose_texts_are_not_there_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(ConnectError, match="string index out of range"):
        mend(profile(Function(**{"id": 1, "name": 1, "filename": 2} | change)), "rbspy", NONE)


def test_a_line_of_an_unknown_function_becomes_one_of_the_first() -> None:
    mended = profile(Function(id=1, name=1, filename=2))
    mended.location[0].line[0].function_id = 77
    mend(mended, "rbspy", NONE)
    assert (mended.location[0].line[0].function_id, names(mended)) == (1, ["app.py show"])
    mended.ClearField("function")
    with pytest.raises(ConnectError, match="the profile has none"):
        mend(mended, "rbspy", NONE)


def test_names_that_become_far_too_long_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repairs, "SIZE_LIMIT", 20)
    mend(profile(Function(id=1, name=1, filename=3)), "rbspy", NONE)
    with pytest.raises(ConnectError, match="more than 20 characters"):
        mend(profile(Function(id=1, name=1, filename=3), Function(id=2, name=5, filename=3)), "rbspy", NONE)


@pytest.mark.parametrize(
    ("spy", "configured", "is_mended"),
    [
        ("dotnetspy", NONE, True),
        ("unknown", frozenset({"inuse-space"}), True),
        ("unknown", NONE, False),
        ("gospy", frozenset({"inuse-space"}), False),
    ],
)
def test_the_agent_of_dotnet_has_functions_numbered_and_dashes_replaced(
    spy: str, configured: frozenset[str], *, is_mended: bool
) -> None:
    mended = profile(Function(name=1), Function(name=2))
    mend(mended, spy, configured)
    assert [function.id for function in mended.function] == ([7, 8] if is_mended else [0, 0])
    assert mended.string_table[4] == ("inuse_space" if is_mended else "inuse-space")


def test_functions_with_numbers_keep_them() -> None:
    mended = profile(Function(id=1, name=1), Function(name=2))
    mend(mended, "dotnetspy", NONE)
    assert [function.id for function in mended.function] == [1, 0]


def test_a_function_on_several_lines_is_renamed_once() -> None:
    mended = profile(Function(id=1, name=1, filename=2))
    mended.location[0].line.add(function_id=1)
    mended.location.add(id=9, line=[Line(function_id=1)])
    mend(mended, "rbspy", NONE)
    assert names(mended) == ["app.py show"]
    assert {line.function_id for location in mended.location for line in location.line} == {1}
