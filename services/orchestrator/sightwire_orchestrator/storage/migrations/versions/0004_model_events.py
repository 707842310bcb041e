"""Events of models that are to be published."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Creates the table."""
    op.create_table(
        "model_events",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("about", sa.String(160), nullable=False),
        sa.Column("id", sa.String(200), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.UniqueConstraint("id"),
    )
