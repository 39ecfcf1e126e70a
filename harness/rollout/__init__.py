"""What serves: the pointer and its trail, admission and rollback, backups, ramps; a database holds all of it."""

__all__: list[str] = []
