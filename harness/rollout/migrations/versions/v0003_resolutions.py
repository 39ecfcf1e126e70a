"""How long an environment's windows are is kept beside them: every program over one store reads them alike."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Integer, String, Text

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the table; of environments that have windows already, the next program that writes them says it."""
    op.create_table("resolutions", Column("environment", Text, primary_key=True),
                    Column("seconds", Integer, nullable=False), Column("at", String(27), nullable=False))
