"""What was in a batch is known by its digest: an id that comes again with other observations is told, not swallowed."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, String

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the digest; of batches that were acknowledged before, none is known."""
    op.add_column("acknowledged", Column("sha256", String(64)))
