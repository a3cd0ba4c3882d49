"""Output in the docs is held to what a program prints: its words, and not its figures."""

from __future__ import annotations

import pytest

from spanprofiles.model.estimate_text import SampledCpu, of_what
from tests.support.documentation import not_printed

SHOWN = "└ span profile d4a1e9838a63c78e: 210 ms of CPU (21 samples, 140 to 320 ms)"
PRINTED = "└ span profile 0123456789abcdef: "
SAMPLE_NS = 10_000_000


@pytest.mark.parametrize("samples", [2, 21, 79, 80, 85, 99, 100, 1_234, 123_456])
def test_the_figures_of_a_machine_of_any_speed_are_those_shown(samples: int) -> None:
    assert not_printed(SHOWN, PRINTED + of_what(SampledCpu(samples * SAMPLE_NS))) == []


@pytest.mark.parametrize(
    "printed", ["no samples, a DEAD LINK", "85 samples of wall time", "210 ms of CPU (21 samples)", ""]
)
def test_other_words_are_not_those_shown(printed: str) -> None:
    assert not_printed(SHOWN, PRINTED + printed) == [SHOWN]
