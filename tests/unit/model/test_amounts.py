from __future__ import annotations

import pytest

from spanprofiles.model.amounts import size


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (3_355_443, "3.2 MiB"),
        (5 * 2**30, "5.00 GiB"),
    ],
)
def test_a_number_of_bytes_has_a_fitting_unit(value: int, written: str) -> None:
    assert size(value) == written
