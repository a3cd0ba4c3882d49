"""What the doctor says of many situations, word for word: each change of its words is a change to look at."""

from __future__ import annotations

import pytest
import yaml

from tests.support.doctor_scenarios import SAID, prepared, said_of

EXPECTED = yaml.load(SAID.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506


def test_every_situation_is_written_down() -> None:
    assert list(prepared()) == list(EXPECTED)


@pytest.mark.parametrize("situation", EXPECTED)
def test_the_doctor_says_what_is_written_down(situation: str) -> None:
    assert said_of(situation) == EXPECTED[situation]
