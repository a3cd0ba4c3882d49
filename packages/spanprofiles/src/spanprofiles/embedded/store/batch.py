"""What is written in one piece."""

from __future__ import annotations

from typing import Protocol

from spanprofiles.embedded.store.connection import StoreConnection


class Batch(Protocol):
    """What one upload, or several together, bring to the tables: all of it is written, or nothing."""

    def write(self, connection: StoreConnection) -> None:
        """Write the batch in the transaction under way."""

    def forget(self) -> None:
        """Drop whatever was remembered of rows that were rolled back."""
