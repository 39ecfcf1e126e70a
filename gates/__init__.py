"""Release gates as pytest items: fixture, judge, assert."""
