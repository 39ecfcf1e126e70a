"""The week's worst queries with a likely cause each, and small changes that would help, judged on other queries."""
