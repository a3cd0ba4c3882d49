"""The doctor's advice on the page: words instead of the command's options, and a button for each."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum


class Action(Enum):
    """What can be done on the doctor's page itself."""

    PROBE = "run the probe"
    LOOK_BACK = "look further back"
    CHOOSE_SERVICE = "choose the service"
    CHECK_GRAFANA = "check Grafana's settings"
    NAME_RECEIVER = "name the OTLP receiver"


_ACTIONS = {
    "--probe": Action.PROBE,
    "--since": Action.LOOK_BACK,
    "--service": Action.CHOOSE_SERVICE,
    "--grafana": Action.CHECK_GRAFANA,
    "--datasource": Action.CHECK_GRAFANA,
    "--otlp": Action.NAME_RECEIVER,
}

# Whole phrases first. The options left at the end are those that start this page.
_WORDS = [
    (r"--grafana URL or --datasource FILE checks Grafana's settings", "Grafana's settings can be checked here"),
    (r"--service names one of them", "choose one of them"),
    (r"service\.name and --service must be the same", "the service that is chosen must be its service.name"),
    (r" with --since\b", ""),
    (r": --otlp URL", ""),
    (r" \(--profile-type [^)]*(\)|$)|: --profile-type\b", ""),  # the page always asks for CPU time
    (r"--(probe|service|since)\b", r"the \1"),
    (r"\(((?:--[a-z-]+(?:, )?)+)\)", r"(start this page anew with \1)"),
]


@dataclass(frozen=True)
class Advice:
    """What to do.

    Attributes:
        text: in words.
        actions: what can be done on this page, each once.
        services: the services to choose from, where one should be chosen.
    """

    text: str
    actions: tuple[Action, ...] = ()
    services: tuple[str, ...] = ()


def page_advice(advice: str, services: Collection[str] = ()) -> Advice:
    """Turn the doctor's advice, which names the command's options, into the page's.

    Args:
        advice: as a finding has it.
        services: all that could be chosen.
    """
    options = re.findall(r"--[a-z-]+", advice)
    actions = tuple(dict.fromkeys(_ACTIONS[option] for option in options if option in _ACTIONS))
    named = tuple(name for name in services if re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", advice))
    text = advice
    for pattern, words in _WORDS:
        text = re.sub(pattern, words, text)
    return Advice(text, actions, (named or tuple(services)) if Action.CHOOSE_SERVICE in actions else ())


def page_words(advice: str) -> str:
    """Return the words of :func:`page_advice` alone."""
    return page_advice(advice).text
