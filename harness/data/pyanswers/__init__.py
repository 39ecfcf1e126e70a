"""The embedded documentation as questions with gold documents and gold answers, all written by its authors."""

from __future__ import annotations

from harness.data.pyanswers.build import build_pyanswers

__all__ = ["build_pyanswers"]
