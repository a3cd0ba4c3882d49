"""``python -m spanprofiles``: the command line, for processes that know only their interpreter."""

from __future__ import annotations

from spanprofiles.cli import main

if __name__ == "__main__":
    main()
