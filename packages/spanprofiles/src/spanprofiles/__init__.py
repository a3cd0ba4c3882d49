"""Prove that a trace's span leads to its own CPU flame graph.

The package in one breath: send a request with a ``traceparent`` of your own, find *its* trace in Tempo,
take the profile ID of its local root span, ask Pyroscope for *that* span's samples, and claim something about
the functions in them.

- :mod:`spanprofiles.model`: identifiers, spans, traces, flame graphs. Plain data, no I/O.
- :mod:`spanprofiles.clients`: Tempo and Pyroscope over HTTP.
- :mod:`spanprofiles.linking`: from a request to its flame graphs, with a deadline and a reason where it fails.
- :mod:`spanprofiles.backends`: places where Tempo's and Pyroscope's APIs answer.
- :mod:`spanprofiles.embedded`: such a place in one process, on SQLite.
- :mod:`spanprofiles.report`: traces and flame graphs as text.
- :mod:`spanprofiles.pytest_plugin`: the fixtures.
- :mod:`spanprofiles.demo`, :mod:`spanprofiles.cli`: the demo and the command line.
"""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
