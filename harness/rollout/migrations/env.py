"""Where Alembic begins: the steps run on the connection, and in the transaction, that the store lends."""

from __future__ import annotations

from alembic import context

from harness.rollout.tables import METADATA

__all__: list[str] = []

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()
