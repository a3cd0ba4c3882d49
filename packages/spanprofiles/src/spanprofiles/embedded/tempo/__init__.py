"""Tempo's HTTP API: trace by ID, search, tags, and the OTLP receiver that feeds it."""
