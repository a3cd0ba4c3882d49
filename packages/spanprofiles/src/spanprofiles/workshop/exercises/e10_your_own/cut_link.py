"""A Pyroscope that loses what it is sent: it takes each upload, keeps none, and passes on all questions."""

from __future__ import annotations

from contextlib import AbstractContextManager

from spanprofiles.workshop.pyroscope_relay import relay


def cut_link(pyroscope: str) -> AbstractContextManager[str]:
    """Serve such a Pyroscope on a free port of 127.0.0.1 until the end of the block, and give its address.

    Args:
        pyroscope: the address of the real one, which answers the questions.
    """
    return relay(pyroscope, loses_uploads=True)
