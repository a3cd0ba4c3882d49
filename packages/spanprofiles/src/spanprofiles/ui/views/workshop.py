"""``/workshop``: the exercises, their state, the next step, and what the learner's own program left behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from flask import Blueprint, abort, render_template, request, url_for
from markdown_it import MarkdownIt
from markupsafe import Markup

from spanprofiles.clients import ClientError
from spanprofiles.model import Span, Trace
from spanprofiles.report.svg import FlameBox, waterfall_svg
from spanprofiles.ui.sources import sources
from spanprofiles.ui.span_profile import ProfileState, SpanProfile, span_marks, span_profile, span_to_open
from spanprofiles.ui.views.pictures import files_of, layout_of, picture_of
from spanprofiles.workshop import Exercise, Judgement, WorkshopError, all_exercises
from spanprofiles.workshop.exercise import exercise_of
from spanprofiles.workshop.folder import LearnersFolder, absence_of
from spanprofiles.workshop.judgement import ORDINALS
from spanprofiles.workshop.progress import Progress, Record

views = Blueprint("workshop", __name__)


@dataclass(frozen=True)
class Row:
    """An exercise in the list.

    Attributes:
        exercise: the exercise.
        record: how far the learner has come with it.
        absence: why it cannot be done on this machine; empty where it can.
    """

    exercise: Exercise
    record: Record
    absence: str


@dataclass(frozen=True)
class Shown:
    """What the learner's program left behind, as pictures.

    Attributes:
        title: what the request is, and of which program, where the judge has several.
        trace: its trace.
        waterfall: the spans.
        span: the span that is opened; None where there is none.
        profile: what that span's profile ID leads to; None likewise.
        flame: the flame graph; None where the span is not linked.
    """

    title: str
    trace: Trace
    waterfall: Markup
    span: Span | None
    profile: SpanProfile | None
    flame: Markup | None


@views.get("/workshop")
def workshop() -> str:
    """Show the exercises, and one of them. A script asks for ``part=state`` again and again."""
    folder = _folder()
    try:
        progress = folder.progress()
        following = folder.next_exercise(progress)
        chosen = _chosen() or following or all_exercises()[-1]
    except WorkshopError as error:
        abort(503, str(error))
    record = progress.of(chosen.name)
    rows = [_row(exercise, progress) for exercise in all_exercises()]
    values = {
        "rows": rows,
        "available": sum(not row.absence for row in rows),
        "solved": _solved(progress),
        "chosen": chosen,
        "record": record,
        "absence": absence_of(chosen, record),
        "following": following,
        "pictures": list(_pictures(record.judgement)),
        "files": folder.path / chosen.name,
        "hints": [markdown(hint) for hint in chosen.hints[: record.hints]],
        "ordinals": ORDINALS,
    }
    if request.args.get("part"):
        return render_template("workshop_part.html", **values)
    return render_template("workshop.html", text=markdown(chosen.text), **values)


@cache
def markdown(text: str) -> Markup:
    """Return Markdown as HTML; HTML in it is shown as text."""
    html = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    return Markup(html)  # noqa: S704  # rendered from the exercises' own texts, without HTML of theirs


def _folder() -> LearnersFolder:
    folder = sources().workshop
    if folder is None:
        abort(404, "no workshop runs here: `spanprofiles workshop start` begins one, with a page of its own")
    return folder


def _chosen() -> Exercise | None:
    number = request.args.get("exercise", "")
    if not number:
        return None
    try:
        return exercise_of(int(number))
    except (ValueError, WorkshopError):
        known = ", ".join(str(exercise.number) for exercise in all_exercises())
        abort(404, f"there is no exercise {number!r}: choose one of {known}")


def _row(exercise: Exercise, progress: Progress) -> Row:
    record = progress.of(exercise.name)
    return Row(exercise, record, absence_of(exercise, record))


def _solved(progress: Progress) -> int:
    return sum(progress.of(exercise.name).passed for exercise in all_exercises())


def _pictures(judgement: Judgement | None) -> Iterator[Shown]:
    """Yield the pictures of what a judgement is about."""
    if judgement is None or not judgement.trace_id:
        return
    traces = [(judgement.program, judgement.trace_id, judgement.span_id)]
    for program, trace_id, span_id in [*traces, *((*other, "") for other in judgement.others)]:
        shown = _shown(program, trace_id, span_id)
        if shown is not None:
            yield shown


def _shown(program: str, trace_id: str, span_id: str) -> Shown | None:
    """Return the pictures of a trace; None where there is nothing, or no longer."""
    linker = sources().linker
    try:
        trace = linker.tempo.trace(trace_id)
        if trace is None:
            return None
        marks = span_marks(trace, sources().cpu_cache)
        span = (trace.span(span_id) if span_id else None) or span_to_open(trace, marks)
        chosen = span.span_id if span else ""
        svg, _ = waterfall_svg(trace, marks, chosen=chosen, label="The request's spans")
        waterfall = Markup(svg)  # noqa: S704  # its texts are escaped there
        title = ", ".join(filter(None, [span.name if span else "", program]))
        if span is None:
            return Shown(title, trace, waterfall, None, None, None)
        profile = span_profile(trace, span, linker)
        return Shown(title, trace, waterfall, span, profile, _flame(trace, profile))
    except ClientError:  # the rest of the page is worth showing without it
        return None


def _flame(trace: Trace, profile: SpanProfile) -> Markup | None:
    if profile.state is not ProfileState.LINKED:
        return None
    span, linker = profile.span, sources().linker
    files = files_of(span, profile.flamegraph, linker)
    address = url_for("traces.flamegraph", trace_id=trace.trace_id, span_id=span.span_id)

    def of_box(box: FlameBox) -> str:
        return f"{address}?frame={box.key}"

    label = f"Flame graph of {span.name}: {profile.flamegraph.amount}"
    return picture_of(layout_of(profile.flamegraph, span.name, files), files, label, of_box).svg
