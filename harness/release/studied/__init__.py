"""Studies of a release: each a record of what was measured, made from live parts or from a user's own files."""
