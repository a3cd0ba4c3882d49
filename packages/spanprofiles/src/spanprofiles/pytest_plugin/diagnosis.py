"""What the report of a failed test says: the traces, what the doctor makes of them, the programs' logs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from spanprofiles.clients import ClientError
from spanprofiles.doctor import Examination, Verdict, examine_request
from spanprofiles.model.printable import printable_lines
from spanprofiles.pytest_plugin import CLAIMS, PICTURE, option
from spanprofiles.pytest_plugin.programs import programs_of
from spanprofiles.report import failure_report, span_tree
from spanprofiles.report.svg import flame_document

if TYPE_CHECKING:
    from spanprofiles.linking import Evidence, Linker

_ACCOUNTS = 5  # of the last traces of a failed test
_SECTION = "span profiles"
_LONGEST_FILE_NAME = 100


class _Diagnosis:
    """What a failed test's report says.

    Attributes:
        text: for people.
        properties: for programs, and for what shows a JUnit file: (name, value).
    """

    def __init__(self) -> None:
        self.text: list[str] = []
        self.properties: list[tuple[str, str]] = []


def add_diagnosis(item: pytest.Item, report: pytest.TestReport) -> None:
    """Add to a failed test's report what was seen of its requests and programs, as text and as properties."""
    diagnosis = _Diagnosis()
    try:
        _tell_of_traces(item, diagnosis)
        _tell_of_programs(item, str(report.longrepr), diagnosis)
    except Exception as error:  # noqa: BLE001  # a report that fails must not end the whole run
        diagnosis.text.append(f"what was seen cannot be told: {type(error).__name__}: {error}")
    if diagnosis.text:
        _add_text(report, printable_lines("\n\n".join(diagnosis.text)))
    properties = [(name, printable_lines(value)) for name, value in diagnosis.properties]
    item.user_properties += properties  # of the reports to come: JUnit's file takes the last one's
    report.user_properties += properties


def _add_text(report: pytest.TestReport, text: str) -> None:
    """Add the text to the failure itself: a section of the report would be left out of JUnit's file."""
    longrepr: Any = report.longrepr
    if hasattr(longrepr, "addsection"):
        longrepr.addsection(_SECTION, text)
    elif isinstance(longrepr, str):
        report.longrepr = f"{longrepr}\n{f' {_SECTION} '.center(80, '-')}\n{text}"
    else:
        report.sections.append((_SECTION, text))


def _tell_of_traces(item: pytest.Item, diagnosis: _Diagnosis) -> None:
    seen = [(claims.linker, evidence) for claims in item.stash.get(CLAIMS, []) for evidence in claims.seen.values()]
    examined: list[tuple[Evidence, Examination | str]] = []
    for linker, evidence in seen[-_ACCOUNTS:]:
        examined.append((evidence, _examined(linker, evidence)))  # first: it tells which empty profiles are in order
        diagnosis.text.append(failure_report(evidence))
        diagnosis.properties.append(("span_profiles.trace_id", evidence.trace_id))
        diagnosis.properties.append(("span_profiles.seen", _in_a_line(evidence)))
    for verdict, trace_ids in _grouped(examined):
        of = f" of {' and '.join(trace_ids)}" if len(seen) > 1 else ""
        diagnosis.text.append("\n".join([f"the doctor says{of}", *(f"  {line}" for line in verdict)]))
        diagnosis.properties.append(("span_profiles.verdict", "\n".join(verdict)))
    for what, path in _pictures(item, [evidence for _, evidence in seen]):
        diagnosis.text.append(f"{what}: {path}" if path else what)
        if path:
            diagnosis.properties.append((PICTURE, path))


def _tell_of_programs(item: pytest.Item, failure: str, diagnosis: _Diagnosis) -> None:
    for program in programs_of(item):
        if str(program.log) not in failure:  # one that did not start is told of already
            diagnosis.text.append("\n".join(program.account()))
        diagnosis.properties.append(("span_profiles.log", str(program.log)))


def _in_a_line(evidence: Evidence) -> str:
    """Return the trace's spans and what is known of their profiles, in one line."""
    if evidence.trace is None:
        return "Tempo has no span of it"
    lines = span_tree(evidence.trace, evidence.flamegraphs, evidence.excused)
    return "; ".join(" ".join(line.replace("█", "").split()) for line in lines)


def _examined(linker: Linker, evidence: Evidence) -> Examination | str:
    try:
        return examine_request(linker, evidence)
    except ClientError as error:
        return f"nothing: {error}"


def _grouped(examined: Iterable[tuple[Evidence, Examination | str]]) -> list[tuple[list[str], list[str]]]:
    """Return the different verdicts, each with the traces it is of: what is said of the service is said once."""
    groups: dict[object, tuple[list[str], list[str]]] = {}
    for evidence, said in examined:
        if isinstance(said, str):
            key: object = said
            lines = [said]
        else:
            bad = [finding for finding in said.findings if finding.verdict in {Verdict.BROKEN, Verdict.DOUBTFUL}]
            key = (said.service, said.verdict, tuple((finding.hop, finding.advice) for finding in bad))
            lines = said.brief_lines()
        known, trace_ids = groups.setdefault(key, (lines, []))
        trace_ids.append(evidence.trace_id)
        if known is not lines and not isinstance(said, str):  # what is said of this trace's spans alone
            alone = [
                f"  span {explanation.span.span_id}: {explanation.cause.value}: {explanation.sentence}"
                for explanation in said.unlinked
            ]
            known += [line for line in alone if line not in known]
    return list(groups.values())


def _file_name(name: str) -> str:
    """Return a part of a file's name, which leads to no other folder whatever it is made of."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name)[:_LONGEST_FILE_NAME]


def _pictures(item: pytest.Item, seen: list[Evidence]) -> list[tuple[str, str]]:
    """Write the flame graphs that were seen into the folder for pictures, and return where they are."""
    folder = option(item.config, "pictures")
    if not folder:
        return []
    written: list[tuple[str, str]] = []
    for evidence in seen:
        merged = {f"merged-{evidence.trace_id}": evidence.merged[1]} if evidence.merged else {}
        for profile_id, flamegraph in (evidence.flamegraphs | merged).items():
            if flamegraph.is_empty:
                continue
            path = Path(folder) / f"{_file_name(item.name)}-{_file_name(profile_id)}.svg"
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(flame_document(flamegraph, title=item.name), encoding="utf-8")
            except OSError as error:
                return [*written, (f"the picture {path} cannot be written: {error.strerror}", "")]
            written.append(("flame graph", str(path)))
    return list(dict.fromkeys(written))  # what was asked for twice is there once
