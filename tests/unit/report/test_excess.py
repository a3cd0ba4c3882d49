from __future__ import annotations

import pytest

from spanprofiles.model import Span, SpanKind
from spanprofiles.model.sampling import most_by_chance
from spanprofiles.report.excess import cpu_excess

MS = 1_000_000


def span(milliseconds: int, language: str = "") -> Span:
    resource = {"telemetry.sdk.language": language} if language else {}
    return Span("a" * 32, "b" * 16, None, "GET /bike", SpanKind.SERVER, 0, milliseconds * MS, resource=resource)


@pytest.mark.parametrize("cpu_ms", [0, 50, 100, 109])
def test_cpu_that_fits_into_the_span_or_is_less_than_a_sample_more_needs_no_words(cpu_ms: int) -> None:
    assert cpu_excess(span(100), cpu_ms * MS) == ""


def test_a_few_samples_too_many_are_chance_with_the_figure_that_chance_explains() -> None:
    text = cpu_excess(span(100, "python"), 140 * MS)

    assert text.startswith("140.0 ms of CPU is more than the 100.0 ms that the span lasted.")
    assert "Each sample counts for 10 ms" in text
    assert "up to 173.2 ms by chance" in text
    assert "interpreter" not in text


def test_far_too_many_in_python_are_threads_and_waiting_with_the_lock() -> None:
    text = cpu_excess(span(100, "python"), 300 * MS)

    assert "300.0 ms of CPU is more than the 100.0 ms" in text
    assert "Threads that work for it side by side" in text
    assert "holds the interpreter's lock also counts while it waits for a processor" in text
    assert "chance" not in text


@pytest.mark.parametrize(("language", "word"), [("go", "Goroutines"), ("java", "Threads"), ("", "Threads")])
def test_other_languages_are_told_nothing_of_pythons_lock(language: str, word: str) -> None:
    text = cpu_excess(span(100, language), 300 * MS)

    assert word in text
    assert "interpreter" not in text


def test_what_chance_explains_grows_more_slowly_than_the_work() -> None:
    shares = [most_by_chance(milliseconds * MS) / (milliseconds * MS) for milliseconds in (10, 100, 1000, 10_000)]

    assert shares == sorted(shares, reverse=True)
    assert shares[-1] < 1.1
    assert most_by_chance(0) == 10 * MS
