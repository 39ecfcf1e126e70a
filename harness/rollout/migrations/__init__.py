"""Migrations of the store's schema: applied when a store is opened."""

__all__: list[str] = []
