"""Alert rules, and what became of them."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_TIME = sa.DateTime(timezone=True)
_UNSETTLED = sa.text("settled_at IS NULL")


def upgrade() -> None:
    """Creates the tables."""
    op.create_table(
        "alert_rules",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("standing", sa.Text, nullable=False),
    )
    op.create_table(
        "alert_events",
        sa.Column("id", sa.String(160), primary_key=True),
        sa.Column("rule", sa.String(64), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("settled_at", _TIME),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_index("ix_alert_events_at", "alert_events", ["at"])
    op.create_index(
        "ix_alert_events_unsettled", "alert_events", ["at"], sqlite_where=_UNSETTLED, postgresql_where=_UNSETTLED
    )
