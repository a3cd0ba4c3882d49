"""Judges Grafana's settings: the button of a real span must be there, and lead to that span's samples alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from spanprofiles.linking.grafana import (
    Doubt,
    GrafanaLinker,
    SettingsError,
    read_data_sources,
    settled,
)
from spanprofiles.model import Span
from spanprofiles.model.selector import label_selector
from spanprofiles.waiting import Waiting
from spanprofiles.workshop.exercises.e05_grafana.mistakes import keys_of_nothing, mistakes, unknown_labels
from spanprofiles.workshop.judgement import Judgement
from spanprofiles.workshop.workbench import Workbench

COMMAND = ("{python}", "observatory.py")
SERVICE = "observatory"
SETTINGS = "datasources.yaml"

ANSWER_S = 2.0
"""How long to wait for samples behind the button, s: they have arrived before it is pressed."""

# What each doubt leaves to do, and the hint that fits. The first that applies is told: one mistake at a time.
_MISSING: Mapping[Doubt, tuple[str, int]] = {
    Doubt.MISSING_PROFILE_TYPE: ("profileTypeId, the five parts of a type of profile", 2),
    Doubt.MALFORMED_PROFILE_TYPE: ("a profileTypeId of five parts, as Pyroscope writes a type of profile", 2),
    Doubt.OTHER_PROFILE_TYPE: ("a profileTypeId that this agent uploads: CPU time", 2),
    Doubt.DOTTED_LABEL: ("for each tag a value: the label's name, with underscores in place of the dots", 3),
    Doubt.NAMESPACE_BY_DEFAULT: ("a tag for service.name alone, in place of the default", 3),
    Doubt.NO_LABELS: ("a tag for service.name, so that not all services are searched", 3),
}
_LABELS = ("tags (or a customQuery) that compare only labels that the profiles have", 3)


def judge(bench: Workbench) -> Judgement:
    """Follow a comet, and press the button of its span."""
    observatory = bench.start(COMMAND, service=bench.service_name(SERVICE))
    linked = bench.linked_span(observatory.get("/comet"))
    seen = [f"the span {linked.name!r} is linked: {linked.amount} (trace {linked.trace_id})"]
    try:
        sources = read_data_sources([bench.folder / SETTINGS])
        through = GrafanaLinker.of(sources, bench.linker.with_waiting(Waiting(ANSWER_S)))
    except SettingsError as error:
        return Judgement.fails(
            [*seen, f"Grafana cannot read the settings: {error}"],
            f"a {SETTINGS} with a Tempo and a Pyroscope data source",
        )
    trace = bench.follow(linked.span).trace()
    link = through.resolve(linked.span, trace)
    bench.show(linked)
    labels = _labels_of_profiles(bench, linked.span)
    left = _left(mistakes(sources, linked.span, trace, labels))
    if link.query is None:
        reason = f" ({link.no_button.value})" if link.no_button else ""
        return Judgement.fails([*seen, f"there is no button{reason}: {link.explanation}", *left], "the button", 1)
    seen.append(f"the button is there, and asks for {link.query.label_selector} as {link.query.profile_type!r}")
    seen += [
        f"the span has no attribute {key!r}, so Grafana leaves this tag out"
        for key in keys_of_nothing(sources, linked.span)
    ]
    answer = through.answer(link.query)
    came = through.explain(answer)
    doubts = settled(link, answer).warnings
    if not answer.has_samples or Doubt.NO_LABELS in link.doubts:
        doubt = next((doubt for doubt in _MISSING if doubt in link.doubts), None)
        missing, hint = _MISSING[doubt] if doubt else _missing_label(link.query.label_selector, labels)
        about = [warning.text for warning in doubts if warning.doubt is doubt or not doubt]
        told = [f"what came: {came}", *(about or [warning.text for warning in doubts][:1])]
        return Judgement.fails([*seen, *told, *left], missing, hint)
    if answer.flamegraph.total < linked.flamegraph.total:
        return Judgement.fails([*seen, f"what came: {came}, and the span has {linked.amount}"], *_LABELS)
    return Judgement.passes([*seen, f"what came: {came}, all of this span"])


def _missing_label(selector: str, known_labels: Collection[str]) -> tuple[str, int]:
    """Say what is wrong with the labels that are compared: one that no profile has, or a service that is not named."""
    what, hint = _LABELS
    unknown = unknown_labels(selector, known_labels)
    return f"{what}: they have no {' and no '.join(unknown)}" if unknown else what, hint


def _left(found: Sequence[str]) -> list[str]:
    """Say how many mistakes are left."""
    if not found:
        return []
    if len(found) == 1:
        return [f"1 mistake is left in {SETTINGS}: this one"]
    return [f"{len(found)} mistakes are left in {SETTINGS}; this is about one of them"]


def _labels_of_profiles(bench: Workbench, span: Span) -> set[str]:
    """Return the labels of the profiles that hold the span's samples: those of another run may have had others."""
    query, pyroscope = bench.linker.query(span), bench.linker.pyroscope
    found: set[str] = set()
    for labels in pyroscope.series(query.start_ms, query.end_ms, [query.selector]):
        compared = {name: value for name, value in labels.items() if not name.startswith("__")}
        of_series = replace(query, selector=label_selector(compared))
        if not pyroscope.span_profile(of_series, [span.span_id]).is_empty:
            found |= labels.keys()
    return found
