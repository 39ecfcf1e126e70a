"""Installed scientific-Python documentation as real text with its authors' own judgements of what is related."""
