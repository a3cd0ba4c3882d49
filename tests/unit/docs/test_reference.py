"""The pages of the reference list what the programs have: options, variables, data sources."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from urllib.parse import parse_qsl

import click
import pytest

import spanprofiles
import spanprofiles_processor
from spanprofiles.backends import BACKEND_NAMES
from spanprofiles.backends.settings import BackendSettings
from spanprofiles.cli import main
from spanprofiles.cli.options import backend_options
from spanprofiles.linking.grafana import read_data_sources, resolve
from spanprofiles.model import Endpoints, Trace
from tests.support.documentation import page
from tests.support.fleet import LANGUAGES, LanguageOfRegion
from tests.support.grafana_settings import a_span
from tests.support.repository import DATA_SOURCES, read_yaml

LANGUAGES_PAGE = page("docs/reference/languages.md")
COMMANDS = main.list_commands(click.Context(main))
COMMAND_LINE, ENVIRONMENT = page("docs/reference/command-line.md"), page("docs/reference/environment.md")


@backend_options
def _shared(**_: object) -> None: ...


def options(command: click.Command) -> set[str]:
    """Return the options of a command, and of those below it."""
    below = command.commands.values() if isinstance(command, click.Group) else ()
    named = (option for option in command.params if isinstance(option, click.Option))
    own = {name for option in named for name in option.opts if name.startswith("--")}
    return own.union(*map(options, below)) - {"--help"}


SHARED = options(click.command()(_shared)) - {"--help"}


def section(title: str) -> set[str]:
    """Return the options in the table of a section."""
    (text,) = re.findall(rf"^## {title}$(.*?)(?=^## |\Z)", COMMAND_LINE.text, re.MULTILINE | re.DOTALL)
    return {
        name for row in re.findall(r"^\| (`--.*?) \| ", text, re.MULTILINE) for name in re.findall(r"--[\w-]+", row)
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_has_each_option_of_the_command_and_no_other(name: str) -> None:
    command = main.get_command(click.Context(main), name)

    assert command is not None
    own = options(command)
    assert section(name) == (own - SHARED if own >= SHARED else own)


def test_the_page_has_each_command_of_the_workshop_in_the_order_of_the_help() -> None:
    workshop = main.get_command(click.Context(main), "workshop")

    assert isinstance(workshop, click.Group)
    assert re.findall(r"^\| `workshop (\w+)", COMMAND_LINE.text, re.MULTILINE) == list(workshop.commands)


def test_the_options_of_servers_are_listed_once() -> None:
    assert section("Servers and credentials") == SHARED


def test_the_environment_has_every_variable_of_a_backend() -> None:
    variables = {f"SPAN_PROFILES_{field.name.upper()}" for field in fields(BackendSettings)}

    assert variables <= set(re.findall(r"SPAN_PROFILES_\w+", ENVIRONMENT.text))


def test_the_environment_has_every_variable_that_apps_are_given() -> None:
    given = Endpoints(tempo="http://t", pyroscope="http://p", otlp_http="http://o").environment()

    assert set(given) <= set(re.findall(r"`([A-Z_]+)`", ENVIRONMENT.text))


def test_each_backend_has_a_row() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (?!`)", page("docs/reference/backends.md").text, re.MULTILINE)

    assert set(rows) == set(BACKEND_NAMES) - {"auto"}


def test_the_data_sources_of_the_guide_give_a_button_with_a_query(tmp_path: Path) -> None:
    file = tmp_path / "datasources.yaml"
    (text,) = page("docs/how-to/grafana.md").blocks("yaml")
    file.write_text(text)
    sources, span = read_data_sources([file]), a_span()

    link = resolve(sources.tempo(), sources, span, Trace.of(span.trace_id, [span]))

    assert link.query is not None
    assert link.query.label_selector == '{service_name="rides"}'
    assert link.warnings == ()


def test_the_python_interface_has_every_public_name_and_no_other() -> None:
    documented = re.findall(
        r"^\.\. auto(?:class|exception|function|data):: (\w+)$", page("docs/reference/api.md").text, re.M
    )
    public = [name for module in (spanprofiles, spanprofiles_processor) for name in module.__all__ if name[0] != "_"]

    assert sorted(documented) == sorted(public)


def test_the_guides_link_to_explore_asks_a_data_source_that_is_provisioned() -> None:
    (address,) = re.findall(r"\(http://127\.0\.0\.1:3000/explore\?(\S+)\)", page("docs/how-to/docker.md").text)
    (pane,) = json.loads(dict(parse_qsl(address))["panes"]).values()

    assert pane["datasource"] in {source["uid"] for source in read_yaml(DATA_SOURCES)["datasources"]}
    assert "span.pyroscope.profile.id != nil" in pane["queries"][0]["query"]


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.name)
def test_the_table_of_languages_has_what_the_tests_expect(language: LanguageOfRegion) -> None:
    label, agent = language.agent

    assert f"`{label}`: `{agent}`" in LANGUAGES_PAGE.text
    assert f"| `{language.search}`" in LANGUAGES_PAGE.text
    assert f"| `{language.region}`" in LANGUAGES_PAGE.text
    rows = LANGUAGES_PAGE.text.splitlines()
    assert f"| `{language.sampled_as}` |" in next(row for row in rows if "is sampled as" in row)
    assert f"| {language.sample_of} |" in next(row for row in rows if "a sample is 10 ms of" in row)
