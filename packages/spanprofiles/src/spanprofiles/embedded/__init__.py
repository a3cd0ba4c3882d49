"""Tempo- and Pyroscope-compatible servers in one process, on SQLite: a backend without Docker.

It shares no code with the rest of ``spanprofiles``: a server and a client written on one decoder would agree on a
mistake.
"""
