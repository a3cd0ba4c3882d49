"""Tracer and agent call the service by two names."""
