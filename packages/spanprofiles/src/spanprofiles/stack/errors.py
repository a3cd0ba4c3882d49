"""The one error of this package."""

from __future__ import annotations


class StackError(Exception):
    """The stack cannot be started or ended. The first line says why and what to do; the others, what was seen."""
