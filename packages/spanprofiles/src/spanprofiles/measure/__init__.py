"""Measures a request: repeats it until its figures are precise enough, and keeps what was measured."""
