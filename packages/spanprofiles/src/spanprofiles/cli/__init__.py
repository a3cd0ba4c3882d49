"""The command line: one module for each command, imported only when it runs, so that all commands start quickly."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from io import TextIOWrapper

import click

from spanprofiles import __version__

INTERRUPTED, UNREAD = 128 + signal.SIGINT, 128 + signal.SIGPIPE

_COMMANDS = {
    "ab": "Compare two builds of an app side by side, with the same requests.",
    "compare": "Say which requests have become slower, and by which functions.",
    "demo": "Run the demo and show the flame graph of one request.",
    "doctor": "Say which hop of the link is broken, and what to do.",
    "flame": "Show one flame graph of all spans that a query finds.",
    "link": "Show what Grafana's button to a span's profile sends, and what comes back.",
    "record": "Run the tests of this folder or of a revision, and keep what they measure.",
    "serve": "Serve Tempo's and Pyroscope's APIs from one process.",
    "show": "Show a trace, and the flame graphs of its linked spans.",
    "ui": "Serve the page that shows requests, traces and flame graphs.",
    "verify": "Send a request to an app and follow it to its flame graph.",
    "workshop": "Learn span profiles by mending small broken programs.",
}


class _Commands(click.Group):
    """Finds a command in the module of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"spanprofiles.cli.{cmd_name}").command
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("spanprofiles: interrupted", err=True)  # noqa: TID251  # nothing of anybody else
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:  # as in `... | head`: nothing is known to be broken, and nobody reads a word about it
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # where the interpreter's last flush goes
            ctx.exit(UNREAD)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's
        with formatter.section("Commands"):  # from the table: the help needs none of the modules
            formatter.write_dl(sorted(_COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="spanprofiles")
def main() -> None:
    """Prove that a trace's span leads to its own CPU flame graph.

    Exit codes: 0 nothing is broken, no request has become slower; 1 a hop is broken, a request has become slower; 2
    could not check (wrong usage, a server that does not answer, too few samples); 130 interrupted; 141 the output's
    reader has gone.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal that cannot show a character shows another in its place
            stream.reconfigure(errors="replace")
