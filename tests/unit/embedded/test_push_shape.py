"""A push is counted before its messages are made, whatever fields stand between those that count."""

from __future__ import annotations

import pytest

from spanprofiles.embedded.pyroscope import shape
from spanprofiles.embedded.pyroscope.shape import ShapeError, check_profile_shape, check_push_shape
from tests.support.pprof_writer import block, number, varint

LIMIT = 3
FIXED_64, FIXED_32, GROUP = varint(9 << 3 | 1) + bytes(8), varint(9 << 3 | 5) + bytes(4), varint(9 << 3 | 3)
SERIES = block(1, b"")


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shape, "COUNTED_FROM_BYTES", 0)
    for name in ("PROFILES_LIMIT", "PUSH_LABELS_LIMIT"):
        monkeypatch.setattr(shape, name, LIMIT)


@pytest.mark.parametrize(
    "between",
    [b"", number(9, 2**40), FIXED_64, FIXED_32, GROUP, block(9, b"text"), block(9, SERIES * 9)],
    ids=lambda field: field.hex(),
)
def test_series_are_counted_whatever_stands_between_them(between: bytes) -> None:
    check_push_shape((SERIES + between) * LIMIT)
    with pytest.raises(ShapeError, match=f"more than {LIMIT} series in a push"):
        check_push_shape((SERIES + between) * (LIMIT + 1))


@pytest.mark.parametrize(("field", "words"), [(1, "labels"), (2, "profiles")])
def test_labels_and_profiles_are_counted_over_all_series(field: int, words: str) -> None:
    check_push_shape(block(1, block(field, b"") * LIMIT))
    with pytest.raises(ShapeError, match=f"more than {LIMIT} {words} in a push"):
        check_push_shape(block(1, block(field, b"") * LIMIT) + block(1, block(field, b"")))


@pytest.mark.parametrize("damaged", [b"\x0a", b"\x0a\x05", b"\x0a\xff\xff", b"\xff" * 20, SERIES + b"\x08\xff"])
def test_damaged_data_is_left_to_its_parser(damaged: bytes) -> None:
    check_push_shape(damaged)
    check_profile_shape(damaged)
