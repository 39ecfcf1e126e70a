"""The routing room's tests."""
