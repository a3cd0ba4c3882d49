"""``spanprofiles serve``: the embedded pair in the foreground."""

from __future__ import annotations

from pathlib import Path

import click

_PORT = click.IntRange(0, 65535)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to bind to.")
@click.option("--tempo-port", type=_PORT, default=3200, show_default=True, help="Tempo's API; 0 takes a free port.")
@click.option("--otlp-http-port", type=_PORT, default=4318, show_default=True, help="OTLP/HTTP traces; 0 likewise.")
@click.option("--pyroscope-port", type=_PORT, default=4040, show_default=True, help="Pyroscope's API; 0 likewise.")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the data is kept. Without it, in a temporary folder that goes with the process.",
)
def command(host: str, tempo_port: int, otlp_http_port: int, pyroscope_port: int, data_dir: Path | None) -> None:
    """Serve Tempo's and Pyroscope's APIs from one process, on SQLite.

    Prints each address, then "ready". Ends on Ctrl-C or SIGTERM.
    """
    from spanprofiles.embedded.errors import CannotServeError
    from spanprofiles.embedded.server import serve
    from spanprofiles.embedded.settings import Settings

    settings = Settings(
        host=host,
        tempo_port=tempo_port,
        otlp_http_port=otlp_http_port,
        pyroscope_port=pyroscope_port,
        data_directory=data_dir,
    )
    try:
        serve(settings, click.echo)
    except CannotServeError as error:
        click.echo(f"spanprofiles: {error}", err=True)
        raise SystemExit(2) from error  # cli.exits.COULD_NOT_LOOK; that module imports what a server does not need
