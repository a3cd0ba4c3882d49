"""``spanprofiles serve``: the embedded pair in the foreground."""

from __future__ import annotations

from pathlib import Path

import click

_PORT = click.IntRange(0, 65535)


@click.command()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to bind to. One that other machines can reach needs a --token.",
)
@click.option("--tempo-port", type=_PORT, default=3200, show_default=True, help="Tempo's API; 0 takes a free port.")
@click.option("--otlp-http-port", type=_PORT, default=4318, show_default=True, help="OTLP/HTTP traces; 0 likewise.")
@click.option("--otlp-grpc-port", type=_PORT, help="OTLP/gRPC traces, usually 4317; needs spanprofiles[grpc].")
@click.option("--pyroscope-port", type=_PORT, default=4040, show_default=True, help="Pyroscope's API; 0 likewise.")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the data. [default: a temporary folder that is removed at the end]",
)
@click.option("--max-age", default="48h", show_default=True, help="How long to keep data; 0 for ever.")
@click.option(
    "--max-size",
    default="2GiB",
    show_default=True,
    help="How large the data may get before the oldest is removed; 0 for any size.",
)
@click.option(
    "--query-timeout",
    default="10",
    show_default=True,
    help="How many seconds a query may take, from its arrival to its answer (0.1 to 3600).",
)
@click.option(
    "--token",
    default="",
    envvar="SPAN_PROFILES_SERVE_TOKEN",
    show_envvar=True,
    help="What each request must bring, as a bearer token or basic auth's password; at least 16 characters.",
)
@click.option(
    "--allow-host",
    multiple=True,
    envvar="SPAN_PROFILES_SERVE_ALLOWED_HOSTS",
    show_envvar=True,
    help="A further name in a URL by which it may be called without a token, such as a container's alias for the host.",
)
def command(
    host: str,
    tempo_port: int,
    otlp_http_port: int,
    otlp_grpc_port: int | None,
    pyroscope_port: int,
    data_dir: Path | None,
    max_age: str,
    max_size: str,
    query_timeout: str,
    token: str,
    allow_host: tuple[str, ...],
) -> None:
    """Serve Tempo's and Pyroscope's APIs from one process, on SQLite.

    Prints each address, then "ready". Ends on Ctrl-C or SIGTERM.
    """
    from spanprofiles.embedded.errors import CannotServeError
    from spanprofiles.embedded.logtext import log_to_standard_error
    from spanprofiles.embedded.server import serve
    from spanprofiles.embedded.settings import Settings, parse_age, parse_hosts, parse_size, parse_timeout

    log_to_standard_error()
    try:
        settings = Settings(
            host=host,
            tempo_port=tempo_port,
            otlp_http_port=otlp_http_port,
            otlp_grpc_port=otlp_grpc_port,
            pyroscope_port=pyroscope_port,
            data_directory=data_dir,
            age_s=parse_age(max_age),
            size_bytes=parse_size(max_size),
            query_timeout_s=parse_timeout(query_timeout),
            token=token,
            allowed_hosts=tuple(name for text in allow_host for name in parse_hosts(text)),
        )
    except ValueError as error:  # both parsers' messages name the text that is wrong
        raise click.UsageError(str(error)) from error
    try:
        serve(settings, click.echo)
    except CannotServeError as error:
        click.echo(f"spanprofiles: {error}", err=True)
        raise SystemExit(2) from error  # cli.exits.COULD_NOT_LOOK; that module imports what a server does not need
