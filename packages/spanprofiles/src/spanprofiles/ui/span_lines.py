"""The source lines of a span's samples, where the server knows them: which line of a function the CPU went to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from spanprofiles.clients import ClientError
from spanprofiles.linking import Linker
from spanprofiles.model import FlameGraph, IdentifierError, Span, estimate_text
from spanprofiles.model.source_lines import Place, SourceLines
from spanprofiles.report.svg import FlameLayout
from spanprofiles.ui.origins import ServiceFiles, short_file

_SHOWN = 3
_TIMEOUT_S = (1.0, 4.0)


def find_lines(span: Span, flamegraph: FlameGraph, linker: Linker) -> SourceLines | None:
    """Ask for a span's samples with their lines; None where the server does not give those of this very span.

    A server that ignores the span's ID answers with the whole service. Lines count only if they have the same total as
    the flame graph.
    """
    try:
        pyroscope = linker.pyroscope.with_timeout(_TIMEOUT_S)
        query = replace(linker.query(span), profile_type=flamegraph.profile_type)
        lines = pyroscope.span_lines(query, span.profile_ids)
    except (ClientError, IdentifierError):
        return None  # the picture is complete without it
    return lines if lines.total == flamegraph.total and lines.files else None


def places_of_boxes(layout: FlameLayout, files: ServiceFiles, lines: SourceLines | None) -> list[str]:
    """Return, for each box, where its function is: file and lines, the file alone, or an empty text.

    A box of several functions has none.
    """
    if lines is None:
        return [_file_of(box.names, files) for box in layout.boxes]
    written = partial(estimate_text.figure, layout)
    nodes: list[int | None] = []
    places: list[str] = []
    for box in layout.boxes:
        node: int | None = lines.ROOT
        if box.parent >= 0:
            node = nodes[box.parent]
            for name in box.names:
                node = None if node is None else lines.below(node, name)
        nodes.append(node)
        told = box.parent >= 0 and len(box.names) == 1
        places.append(place_words(lines.places(node), written) if told and node is not None else "")
    return [place or _file_of(box.names, files) for place, box in zip(places, layout.boxes, strict=True)]


def own_place(files: ServiceFiles, lines: SourceLines | None, written: Callable[[int], str], name: str) -> str:
    """Return where a function's own code ran: file and lines, the file alone, or an empty text."""
    return (place_words(lines.own_places(name), written) if lines else "") or files.place_of(name)


def place_words(places: Sequence[Place], written: Callable[[int], str] = estimate_text.cpu_figure) -> str:
    """Write lines, several with their values: ``shop/stock.py:41``, ``shop/stock.py:41 (60 ms), 43 (20 ms)``."""
    known = [place for place in places if place.file]
    if not known:
        return ""
    words, file = [], ""
    for place in known[:_SHOWN]:
        line = str(place.line) if place.line else ""
        where = line if place.file == file and line else ":".join(filter(None, (short_file(place.file), line)))
        words.append(f"{where} ({written(place.value)})" if len(known) > 1 else where)
        file = place.file
    rest = len(known) - _SHOWN
    return ", ".join(words) + (f" and {rest} more" if rest > 0 else "")


def _file_of(names: Sequence[str], files: ServiceFiles) -> str:
    return files.place_of(names[0]) if len(names) == 1 else ""
