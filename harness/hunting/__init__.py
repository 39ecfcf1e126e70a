"""Hypothesis over the real parts: properties that hold for every query, and the search for the query that breaks one."""
