"""Reading the stack's files: compose with its variables filled in from .env, dashboards, Dockerfiles."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "packages" / "spanprofiles" / "src"
COMPOSE_FILE = ROOT / "docker-compose.yml"
SETTINGS_FILE = ROOT / ".env"
DASHBOARDS = ROOT / "grafana" / "dashboards"
DATA_SOURCES = ROOT / "grafana" / "provisioning" / "datasources" / "datasources.yaml"

Json = dict[str, Any]

_VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>[A-Z_]+):\?\})")


def settings() -> dict[str, str]:
    """Give what `.env` sets."""
    lines = (line.strip() for line in SETTINGS_FILE.read_text().splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def read_yaml(path: Path) -> Json:
    """Read a YAML file."""
    content: Json = yaml.safe_load(path.read_text())
    return content


def raw_compose() -> Json:
    """Give the compose file as it is written, anchors resolved."""
    return read_yaml(COMPOSE_FILE)


def compose(values: Mapping[str, str] | None = None) -> Json:
    """Give the compose file with its variables filled in. A variable that is not set is a KeyError."""
    known = settings() if values is None else values

    def fill(node: Any) -> Any:
        if isinstance(node, str):
            return _VARIABLE.sub(lambda found: known[found["name"]] if found["name"] else "$", node)
        if isinstance(node, dict):
            return {key: fill(value) for key, value in node.items()}
        if isinstance(node, list):
            return [fill(value) for value in node]
        return node

    filled: Json = fill(raw_compose())
    return filled


def services(stack: Json) -> dict[str, Json]:
    """Give the services of a compose file."""
    found: dict[str, Json] = stack["services"]
    return found


def dashboards() -> dict[str, Json]:
    """Give the dashboards by file name, without the ending."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json"))}


def code_of(command: list[str]) -> str:
    """Give the Python code of a command such as `[python, -c, CODE]`."""
    return command[command.index("-c") + 1]
