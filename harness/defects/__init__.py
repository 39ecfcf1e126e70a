"""Planted defects: named ways to break a candidate, each owned by the gate that must refuse it."""
