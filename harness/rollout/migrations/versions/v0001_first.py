"""The first schema: releases, where they may serve, pointer, trail, windows, ramp, alerts, backups, tokens."""

from __future__ import annotations

from alembic import op

from harness.rollout.migrations.append_only import KEPT, append_only
from harness.rollout.migrations.first_tables import FIRST

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make every table as it first was; pointer, trail and releases take no change and no deletion."""
    bind = op.get_bind()
    FIRST.create_all(bind)
    for name in KEPT:
        append_only(bind, name)
