"""Intervals and accumulators: pure array functions, one shape."""
