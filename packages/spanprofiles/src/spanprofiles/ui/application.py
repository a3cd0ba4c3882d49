"""The page's Flask app: its views, what templates may use, and its error pages."""

from __future__ import annotations

from flask import Flask, Response, render_template, request
from jinja2 import Undefined
from markupsafe import escape
from werkzeug.exceptions import HTTPException, NotFound, ServiceUnavailable

from spanprofiles import __version__
from spanprofiles.clients import ClientError, RequestRefusedError, ServerUnreachableError
from spanprofiles.model import Endpoints, IdentifierError
from spanprofiles.model.addresses import shown_address
from spanprofiles.model.printable import visible
from spanprofiles.report.svg import STYLE
from spanprofiles.report.svg.layout import shortened
from spanprofiles.ui import formats, security
from spanprofiles.ui.admission import limit_concurrency
from spanprofiles.ui.advice import page_words
from spanprofiles.ui.controls import DemoControls
from spanprofiles.ui.sources import Sources, install_sources
from spanprofiles.ui.views import BLUEPRINTS
from spanprofiles.ui.views.alarm import alarm_part
from spanprofiles.workshop.board import Board
from spanprofiles.workshop.folder import LearnersFolder


def create_app(
    endpoints: Endpoints,
    controls: DemoControls | None = None,
    *,
    access_token: str = "",
    workshop: LearnersFolder | None = None,
    board: Board | None = None,
) -> Flask:
    """Make the page.

    Args:
        endpoints: the backend to look at.
        controls: how to steer the demo; None where the page runs by itself.
        access_token: what a browser must send once; needed where other machines can reach the page.
        workshop: the folder of the learner whose exercises the page shows; None where it shows none.
        board: the class whose progress the page shows; None where it shows none.

    Raises:
        WeakTokenError: the token is easy to guess.
    """
    app = Flask(__name__)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.finalize = _shown
    app.jinja_env.filters.update(formats.FILTERS)
    app.jinja_env.filters["as_it_is"] = escape  # for what comes back with a form
    app.jinja_env.filters |= {"page_words": page_words, "shortened": shortened, "shown_address": shown_address}
    app.jinja_env.globals.update(
        list_name="Rides" if controls else "Traces",
        noun="ride" if controls else "request",
        version=__version__,
        endpoints=endpoints,
        has_workshop=workshop is not None,
        has_board=board is not None,
        form_field=security.form_field,
        alarm=alarm_part,
    )
    with app.app_context():
        install_sources(Sources(endpoints, controls, workshop, board))
    security.protect(app, access_token)
    limit_concurrency(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    app.add_url_rule("/pictures.css", "pictures", _pictures)
    app.register_error_handler(ClientError, _server_failed)
    app.register_error_handler(IdentifierError, _no_identifier)
    app.register_error_handler(HTTPException, _refused)
    return app


def _shown(value: object) -> object:
    """Show what cannot be seen in a text of somebody else, wherever it stands on a page: Jinja asks for all of them."""
    if value is None or isinstance(value, (int, float, Undefined)) or hasattr(value, "__html__"):
        return value
    return visible(str(value))


def _pictures() -> Response:
    return Response(STYLE, mimetype="text/css", headers={"Cache-Control": "max-age=300"})


def _failure(status: int, **values: str) -> Response:
    """Answer with an error page, or with a part of a page where a script asked for one."""
    template = "failure_part.html" if "part" in request.args else "failure.html"
    return Response(render_template(template, **values), status)


def _server_failed(error: ClientError) -> Response:
    if isinstance(error, ServerUnreachableError):
        advice = "Is it running there? This page looks again by itself; it needs no reload when the server is back."
        return _failure(502, title="A server does not answer", message=str(error), advice=advice, retry="yes")
    if isinstance(error, RequestRefusedError):
        advice = "The words after the status are the server's own."
        return _failure(502, title="A server refused the question", message=str(error), advice=advice)
    advice = "Is there a proxy or a login page between, or another program on that port?"
    return _failure(502, title="A server gave an unexpected answer", message=str(error), advice=advice, retry="yes")


def _no_identifier(error: IdentifierError) -> Response:
    advice = "A trace ID has 32 hexadecimal digits, a span ID 16."
    return _failure(400, title="That is no ID", message=str(error), advice=advice)


_TITLES = {
    400: "That cannot be asked",
    403: "Refused",
    404: "Nothing is there",
    405: "Not possible",
    503: "The page is busy",
}


def _refused(error: HTTPException) -> Response:
    status = error.code or 500
    if isinstance(error, NotFound) and error.description == NotFound.description:
        message = f"There is no page {request.path!r}: the address may be mistyped, or of another release."
        return _failure(404, title=_TITLES[404], message=message)
    answer = _failure(
        status,
        title=_TITLES.get(status, error.name),
        message=error.description or error.name,
    )
    if isinstance(error, ServiceUnavailable) and error.retry_after is not None:
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer
