"""Installed scientific-Python documentation as real text with its authors' own judgements of what is related."""

from __future__ import annotations

from harness.data.pydocs.build import build_pydocs, pydocs_versions
from harness.data.pydocs.signs import VitalSign, vital_signs

__all__ = ["VitalSign", "build_pydocs", "pydocs_versions", "vital_signs"]
