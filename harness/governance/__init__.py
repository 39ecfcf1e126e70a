"""Tools that are called by rules: a registry that refuses and records, and the suites that drive it every night."""
