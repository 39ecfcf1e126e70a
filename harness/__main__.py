"""Where `signoff` and `python -m harness` begin."""

from __future__ import annotations

import sys

from harness.cli.app import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
