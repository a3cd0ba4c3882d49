"""``spanprofiles ui``: the page, for any backend."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import click

from spanprofiles.cli.exits import COULD_NOT_LOOK, leave
from spanprofiles.cli.options import backend_options, endpoints_of
from spanprofiles.cli.output import say


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to bind to.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=3000,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option("--grafana", "grafana_url", metavar="URL", help="Grafana's address. [SPAN_PROFILES_GRAFANA_URL]")
@click.option(
    "--access-token",
    envvar="SPAN_PROFILES_UI_TOKEN",
    help="What a browser must show; needed for any --host that other machines reach. [SPAN_PROFILES_UI_TOKEN]",
)
@backend_options
def command(host: str, port: int, access_token: str | None, **options: str | None) -> None:
    """Serve the page: traces, their spans, and the CPU flame graph of each linked span.

    Prints its address when it listens. Ends on Ctrl-C or SIGTERM.
    """
    from spanprofiles.ui import CannotListenError, create_app, serve
    from spanprofiles.ui.security import TOKEN_CHARACTERS, WeakTokenError, is_loopback

    if not is_loopback(host) and not access_token:
        leave(
            COULD_NOT_LOOK,
            f"{host} is reachable from other machines, so the page needs a token of at least {TOKEN_CHARACTERS}"
            " characters: set SPAN_PROFILES_UI_TOKEN, or leave out --host",
        )
    for number in (signal.SIGINT, signal.SIGTERM):  # a script's background jobs have SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    backend = endpoints_of(dict(os.environ), options)
    try:
        app = create_app(backend, access_token=access_token or "")
    except WeakTokenError as error:
        leave(COULD_NOT_LOOK, f"--access-token or SPAN_PROFILES_UI_TOKEN: {error}")
    try:
        with suppress(KeyboardInterrupt):
            serve(app, host, port, announce=lambda url: say(f"page       {url}"))
    except CannotListenError as error:
        leave(COULD_NOT_LOOK, str(error))
