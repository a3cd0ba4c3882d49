"""Parametrisation over the processors, with the official one's defects as expected failures."""

from __future__ import annotations

import pytest

_UPSTREAM = [pytest.mark.exhaustive, pytest.mark.upstream]
_official = pytest.param("official", marks=_UPSTREAM)

both = pytest.mark.parametrize("processor", [_official, "ours"])
"""A row that both processors get right. What another project's processor does is looked at with ``make upstream``."""


def defect(reason: str) -> pytest.MarkDecorator:
    """A row that pyroscope-otel 1.1.0 gets wrong. Strict: a release that gets it right is noticed."""
    expected = pytest.mark.xfail(strict=True, raises=AssertionError, reason=f"pyroscope-otel 1.1.0: {reason}")
    return pytest.mark.parametrize("processor", [pytest.param("official", marks=[expected, *_UPSTREAM]), "ours"])
