"""What the file ``.env`` beside the compose file sets, and what the shell sets over it, as Compose reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spanprofiles.stack.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Mapping

COMPOSE_FILE = "docker-compose.yml"
SETTINGS_FILE = ".env"

#: By profile of the compose file, the variables that nothing needs without it.
PROFILES: Mapping[str, frozenset[str]] = {
    "fleet": frozenset(
        {
            "US_WEST_PORT",
            "SA_EAST_PORT",
            "GO_IMAGE",
            "MAVEN_IMAGE",
            "JAVA_IMAGE",
            "RIDESHARE_GO_IMAGE",
            "RIDESHARE_JAVA_IMAGE",
        }
    )
}
PROFILES_VARIABLE = "COMPOSE_PROFILES"

#: Folders that the compose file mounts, by whose owner or by whom else they can be read.
MOUNTED = ("tempo", "pyroscope", "grafana")

_LINE = re.compile(r"(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?P<value>.*)")
_QUOTED = re.compile(r"""(?P<quote>["'])(?P<text>.*)(?P=quote)""")


@dataclass(frozen=True)
class Settings:
    """The settings of one stack.

    Attributes:
        directory: the folder of the compose file.
        values: by name; those of the shell win over those of the file.
    """

    directory: Path
    values: Mapping[str, str]

    @property
    def project(self) -> str:
        """The name with which the names of its containers begin."""
        return self.values.get("COMPOSE_PROJECT_NAME", "") or self.directory.name.lower()

    @property
    def profiles(self) -> frozenset[str]:
        """The profiles of the compose file that are asked for.

        Raises:
            StackError: it has none of such a name.
        """
        named = {name.strip() for name in self.values.get(PROFILES_VARIABLE, "").split(",")} - {""}
        for name in sorted(named - PROFILES.keys()):
            raise StackError(f"{PROFILES_VARIABLE} has {name!r}; the stack has the profile {', '.join(PROFILES)}")
        return frozenset(named)

    @property
    def ports(self) -> Mapping[str, int]:
        """The ports of this machine that the stack takes, by the variable that sets each.

        Raises:
            StackError: one is not a port, or a profile is asked for that there is not.
        """
        named = {name: value for name, value in self._needed.items() if name.endswith("_PORT")}
        for name, value in named.items():
            if not (value.isdecimal() and 0 < int(value) < 65536):
                raise StackError(f"{name} is {value!r}, not a port: set it in {SETTINGS_FILE}, from 1 to 65535")
        return {name: int(value) for name, value in named.items()}

    @property
    def images_to_pull(self) -> Mapping[str, str]:
        """The images that come from a registry, by the variable that sets each."""
        return {
            name: value
            for name, value in self._needed.items()
            if name.endswith("_IMAGE") and not value.startswith("span-profiles/")
        }

    @property
    def _needed(self) -> Mapping[str, str]:
        absent = frozenset[str]().union(*(PROFILES[name] for name in PROFILES.keys() - self.profiles))
        return {name: value for name, value in self.values.items() if name not in absent}


def read_settings(directory: Path, environment: Mapping[str, str]) -> Settings:
    """Read the settings of the stack in a folder.

    Args:
        directory: the folder of the compose file.
        environment: what the shell sets; of the names that the file has, and no other.

    Raises:
        StackError: the folder has no stack.
    """
    for name in (COMPOSE_FILE, SETTINGS_FILE):
        if not (directory / name).is_file():
            raise StackError(f"there is no {name} in {directory}: run this in the root of the repository")
    values = {}
    for line in (directory / SETTINGS_FILE).read_text(encoding="utf-8").splitlines():
        found = _LINE.fullmatch(line.strip())
        if found is not None:
            name, text = found["name"], found["value"]
            quoted = _QUOTED.fullmatch(text)
            value = quoted["text"] if quoted else re.sub(r"\s+#.*", "", text)
            values[name] = environment.get(name, value)
    return Settings(directory, values)
