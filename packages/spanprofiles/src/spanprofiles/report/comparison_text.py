"""A comparison as plain lines, for terminals, logs and the reports of tests."""

from __future__ import annotations

from spanprofiles.model.comparison import Comparison
from spanprofiles.model.comparison_report import ComparedMeasurement, ComparisonReport
from spanprofiles.model.printable import LONGEST_LINE, printable
from spanprofiles.report.comparison_figures import function_rows, more_requests_words

#: Functions of one comparison that are listed, at most.
MOST_FUNCTIONS = 10


def report_lines(report: ComparisonReport) -> list[str]:
    """Return all of a report: each measurement with its verdict, then the verdict of all."""
    lines: list[str] = []
    for compared in report.measurements:
        lines += [headline(compared), *(f"  {line}" for line in detail_lines(compared)), ""]
    return [*lines, conclusion(report)]


def headline(compared: ComparedMeasurement) -> str:
    """Return the verdict and the name of a measurement."""
    return printable(f"{verdict_words(compared):<13}  {compared.name}", LONGEST_LINE)


def verdict_words(compared: ComparedMeasurement) -> str:
    """Return the verdict in words; ``gone`` and ``new`` where only one side has the measurement."""
    if compared.head is None:
        return "gone"
    return compared.verdict.value if compared.verdict else "new"


def detail_lines(compared: ComparedMeasurement) -> list[str]:
    """Return what there is to say of a measurement beside its verdict."""
    if compared.head is None:
        return ["only the base has it: nothing to compare"]
    if compared.base is None:
        return ["only the head has it: nothing to compare"]
    lines = [printable(compared.note, LONGEST_LINE)] if compared.note else []
    return lines + (comparison_lines(compared.comparison) if compared.comparison else [])


def comparison_lines(comparison: Comparison) -> list[str]:
    """Return the reason of a verdict, and the functions that changed."""
    lines = [printable(comparison.reason, LONGEST_LINE)]
    more = more_requests_words(comparison)
    if more and more not in comparison.reason:
        lines.append(more)
    rows, left = function_rows(comparison, MOST_FUNCTIONS)
    for row in rows:
        words = row.words
        figures = f"{words.change} ({words.interval}), {words.base} -> {words.head}, {words.relative}"
        lines.append(printable(f"{row.name}: {figures.rstrip(', ')}, {row.of}", LONGEST_LINE))
    return [*lines, f"and {left:,} more functions that changed"] if left else lines


def conclusion(report: ComparisonReport) -> str:
    """Return the verdict of a whole report, with how many measurements say what."""
    counts: dict[str, int] = {}
    for compared in report.measurements:
        words = verdict_words(compared)
        counts[words] = counts.get(words, 0) + 1
    listed = ", ".join(f"{count} {words}" for words, count in counts.items())
    return f"{report.verdict.value}: {listed or 'nothing to compare'}; threshold {report.threshold:.0%}"
