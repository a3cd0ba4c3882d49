"""Programs under test: ``python -m tests.support.processor.scenarios SCENARIO PROCESSOR PUSH_URL SERVICE``.

Each prints one line of JSON at its end: the spans that ended, and notes of its own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module

import pyroscope

from tests.support.processor.setup import Setup

MODULES = ("on_threads", "on_tasks", "agents", "apps", "servers", "late")
"""Where scenarios are, looked through in this order: the last takes long to import."""


def _scenario(name: str) -> Callable[[Setup], None]:
    for module in MODULES:
        found: Callable[[Setup], None] | None = getattr(import_module(f"tests.support.processor.{module}"), name, None)
        if found is not None:
            return found
    raise SystemExit(f"there is no scenario {name!r} in {', '.join(MODULES)}")


def main() -> None:
    name, processor, push_url, service = sys.argv[1:]
    setup = Setup(processor, push_url, service)
    _scenario(name)(setup)
    if setup.agent_started:
        pyroscope.shutdown()
    sys.stdout.write(json.dumps({"spans": [asdict(span) for span in setup.spans.seen], "notes": setup.notes}) + "\n")


if __name__ == "__main__":
    main()
