"""``/board``: how far each learner of a class is, for whoever gives the workshop."""

from __future__ import annotations

from flask import Blueprint, abort, render_template, request

from spanprofiles.ui.sources import sources
from spanprofiles.workshop import all_exercises

views = Blueprint("board", __name__)


@views.get("/board")
def board() -> str:
    """Show the learners. A script asks for ``part=rows`` again and again."""
    found = sources().board
    if found is None:
        abort(404, "this page shows no class: `spanprofiles workshop board --page` serves one that does")
    values = {"rows": found.rows(), "left_out": found.left_out, "exercises": all_exercises()}
    return render_template("board_part.html" if request.args.get("part") else "board.html", **values)
