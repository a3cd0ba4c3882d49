"""A comparison as Markdown, for the summary of a CI job and the comment on a pull request.

Names come from other people's code. They stand between backticks, where they can be no link, no mention and no markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import zip_longest

from spanprofiles.model.comparison import Comparison, ComparisonVerdict
from spanprofiles.model.comparison_report import ComparedMeasurement, ComparisonReport
from spanprofiles.model.printable import LONGEST_LINE, printable
from spanprofiles.report.comparison_figures import change_words, function_rows, more_requests_words
from spanprofiles.report.comparison_text import MOST_FUNCTIONS, verdict_words

_TITLES = {
    ComparisonVerdict.REGRESSION: "A request has become slower",
    ComparisonVerdict.NO_REGRESSION: "No request has become slower",
    ComparisonVerdict.CANNOT_SAY: "It cannot be said whether a request has become slower",
}


def report_markdown(report: ComparisonReport) -> str:
    """Return a report as Markdown: a table of all measurements, and one of functions for each that changed."""
    lines = [f"## {_TITLES[report.verdict]}", ""]
    lines += ["| measured | verdict | CPU of a request | change, 95 % interval | requests |", "|---|---|---|---|---|"]
    lines += [_row(compared) for compared in report.measurements]
    for compared in report.measurements:
        lines += _details(compared)
    lines += ["", f"Smallest growth that counts: {report.threshold:.0%} of a request's CPU.", ""]
    return "\n".join(lines)


def code(text: str) -> str:
    """Return a text that stands as it is, in a line or in a table's cell, whatever it holds."""
    shown = printable(text, LONGEST_LINE)
    longest = max((len(ticks) for ticks in re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    space = " " if shown.startswith("`") or shown.endswith("`") or not shown.strip() else ""
    return f"{fence}{space}{shown}{space}{fence}".replace("|", "\\|")


def _row(compared: ComparedMeasurement) -> str:
    verdict = verdict_words(compared)
    if compared.verdict is ComparisonVerdict.REGRESSION:
        verdict = f"**{verdict}**"
    comparison = compared.comparison
    values, change, count = "", "", ""
    if comparison is not None:
        count = f"{comparison.base_requests}, {comparison.head_requests}"
        if not _is_by_shares(comparison):
            words = change_words(comparison.request, comparison.basis)
            values = f"{words.base} → {words.head}"
            change = f"{words.change} ({words.interval})"
    return f"| {code(compared.name)} | {verdict} | {values} | {change} | {count} |"


def _details(compared: ComparedMeasurement) -> list[str]:
    lines = [f"- {code(compared.note)}"] if compared.note else []
    comparison = compared.comparison
    if comparison is not None:
        more = more_requests_words(comparison)
        names = [function.name for function in comparison.functions]
        lines += [f"- {_sentence(comparison.reason, names)}", *([f"- {more}"] if more else [])]
        lines += _functions(comparison)
    interesting = comparison is None or comparison.changed or compared.note or comparison.more_requests != 0
    return ["", f"### {code(compared.name)}", "", *lines] if lines and interesting else []


def _functions(comparison: Comparison) -> list[str]:
    rows, left = function_rows(comparison, MOST_FUNCTIONS)
    if not rows:
        return []
    lines = ["", "| function | | base | head | change, 95 % interval | |", "|---|---|---|---|---|---|"]
    for row in rows:
        words = row.words
        change = f"{words.change} ({words.interval})"
        lines.append(f"| {code(row.name)} | {row.of} | {words.base} | {words.head} | {change} | {words.relative} |")
    return [*lines, "", f"And {left:,} more functions that changed."] if left else lines


def _is_by_shares(comparison: Comparison) -> bool:
    return comparison.request.base == comparison.request.head == 1


def _sentence(text: str, names: Iterable[str]) -> str:
    """Return a sentence in which the names of functions stand as they are."""
    known = sorted((name for name in names if name and name in text), key=len, reverse=True)
    if not known:
        return text
    parts = re.split("|".join(map(re.escape, known)), text)
    found = re.findall("|".join(map(re.escape, known)), text)
    return "".join(part + (code(name) if name else "") for part, name in zip_longest(parts, found, fillvalue=""))
