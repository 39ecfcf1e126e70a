"""The `signoff` command: one module a verb, imported only when called."""
