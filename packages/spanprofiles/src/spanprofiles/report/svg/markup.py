"""SVG elements as text, with everything escaped."""

from __future__ import annotations

from html import escape

from spanprofiles.model.printable import visible
from spanprofiles.report.svg.style import STYLE

Value = str | int | float


def plain(text: str) -> str:
    """Escape a text for use between tags or in an attribute; show characters that are invisible or not XML."""
    return escape(visible(text))


def tag(name: str, attributes: dict[str, Value], *content: str) -> str:
    """Return an element.

    Args:
        name: the element's name.
        attributes: their values are escaped.
        content: other elements, or text that went through :func:`plain`; written as it is.
    """
    written = "".join(
        f' {key}="{plain(value) if isinstance(value, str) else number(value)}"' for key, value in attributes.items()
    )
    return f"<{name}{written}>{''.join(content)}</{name}>" if content else f"<{name}{written}/>"


def number(value: float) -> str:
    """Write a number with at most three decimals."""
    return str(value) if isinstance(value, int) else f"{value:.3f}".rstrip("0").rstrip(".")


def percent(share: float) -> str:
    """Write a share (0 to 1) as a percentage."""
    return f"{number(share * 100)}%"


def clipped(left: str, top: float, width: str, height: float, *content: str) -> str:
    """Return a frame that cuts off wider content: an inner ``svg`` hides its overflow."""
    return tag("svg", {"x": left, "y": top, "width": width, "height": height}, *content)


def document(picture: str, *, title: str, notes: list[str], width: int, height: float) -> str:
    """Return a picture as a complete file, with its title above and its notes below.

    Args:
        picture: an ``svg`` element.
        title: one line.
        notes: lines below the picture.
        width: px.
        height: of the picture, px.
    """
    margin, line = 16, 18
    top = margin + 24
    whole = top + height + 12 + line * len(notes) + margin
    below = [
        tag("text", {"class": "note", "x": margin, "y": top + height + 18 + line * index}, plain(note))
        for index, note in enumerate(notes)
    ]
    return tag(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "width": width,
            "height": whole,
            "viewBox": f"0 0 {width} {number(whole)}",
            "class": "picture",
            "role": "img",
        },
        tag("title", {}, plain(title)),
        tag("style", {}, plain(STYLE)),
        tag("rect", {"class": "paper", "width": "100%", "height": "100%"}),
        tag("text", {"class": "heading", "x": margin, "y": margin + 10}, plain(title)),
        tag("svg", {"x": margin, "y": top, "width": width - 2 * margin, "height": height}, picture),
        *below,
    )
