"""Pyroscope's API: pushes and queries over the Connect protocol, and the older HTTP endpoints."""
