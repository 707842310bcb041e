"""Pipelines, their runs, and who runs them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Creates the tables."""
    op.create_table(
        "pipelines",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("version", sa.String(64), primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("registered_at", _TIME, nullable=False),
        sa.UniqueConstraint("name", "number"),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("pipeline", sa.String(64), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.Column("ended_at", _TIME),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["pipeline", "version"], ["pipelines.name", "pipelines.version"]),
    )
    op.create_index("ix_runs_started", "runs", ["started_at", "id"])
    op.create_index("ix_runs_pipeline_started", "runs", ["pipeline", "started_at", "id"])
    unfinished = sa.text("ended_at IS NULL")
    op.create_index("ix_runs_unfinished", "runs", ["started_at"], sqlite_where=unfinished, postgresql_where=unfinished)
    op.create_table(
        "run_events",
        sa.Column("run", sa.String(64), sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
    )
    active_orchestrator = op.create_table(
        "active_orchestrator",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("claimed_at", _TIME),
    )
    op.bulk_insert(active_orchestrator, [{"id": 1, "epoch": 0, "owner": "", "claimed_at": None}])
    op.create_table(
        "idempotent_results",
        sa.Column("scope", sa.String(255), primary_key=True),
        sa.Column("key_sha256", sa.String(64), primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("stored_at", _TIME, nullable=False),
    )
    op.create_index("ix_idempotent_results_stored", "idempotent_results", ["stored_at"])
