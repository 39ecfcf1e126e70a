"""Hypothesis over the real parts: properties that hold for every query, and the search for one that breaks them."""
