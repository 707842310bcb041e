"""Reviewers, reviews, their acts, and who is to be told."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_TIME = sa.DateTime(timezone=True)
_APPEND_ONLY: Final = "acts of reviews are append-only"


def upgrade() -> None:
    """Creates the tables."""
    op.create_table(
        "reviewers",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_table(
        "reviews",
        sa.Column("id", sa.String(160), primary_key=True),
        sa.Column("run", sa.String(64), nullable=False),
        sa.Column("specialization", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("reviewer", sa.String(64)),
        sa.Column("asked_at", _TIME, nullable=False),
        sa.Column("assigned_at", _TIME),
        sa.Column("deadline", _TIME, nullable=False),
        sa.Column("ended_at", _TIME),
        sa.Column("is_seeking", sa.Boolean, nullable=False),
        sa.Column("next_look_at", _TIME),
        sa.Column("untold_since", _TIME),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("input_data", sa.Text, nullable=False),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("standing", sa.Text, nullable=False),
    )
    op.create_index("ix_reviews_asked", "reviews", ["asked_at", "id"])
    op.create_index("ix_reviews_run", "reviews", ["run"])
    _create_partial_index("ix_reviews_unfinished", "reviews", ["reviewer", "next_look_at"], "ended_at IS NULL")
    _create_partial_index("ix_reviews_untold", "reviews", ["untold_since"], "untold_since IS NOT NULL")
    op.create_table(
        "review_acts",
        sa.Column("review", sa.String(160), sa.ForeignKey("reviews.id"), primary_key=True),
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("origin", sa.String(255), nullable=False),
        sa.Column("reviewer", sa.String(64)),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_index("ix_review_acts_reviewer_at", "review_acts", ["reviewer", "at"])
    op.create_table(
        "review_notifications",
        sa.Column("id", sa.String(255), primary_key=True),
        sa.Column("channel", sa.String(16), primary_key=True),
        sa.Column("review", sa.String(160), sa.ForeignKey("reviews.id"), nullable=False),
        sa.Column("due_at", _TIME, nullable=False),
        sa.Column("settled_at", _TIME),
        sa.Column("outcome", sa.Text),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_index("ix_review_notifications_review", "review_notifications", ["review"])
    _create_partial_index("ix_review_notifications_unsettled", "review_notifications", ["due_at"], "settled_at IS NULL")
    if op.get_context().dialect.name == "sqlite":
        _keep_acts_on_sqlite()
    else:
        _keep_acts_on_postgresql()


def _create_partial_index(name: str, table: str, columns: list[str], condition: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(condition), postgresql_where=sa.text(condition))


def _keep_acts_on_sqlite() -> None:
    for event in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER review_acts_no_{event.lower()} BEFORE {event} ON review_acts "
            f"BEGIN SELECT RAISE(ABORT, '{_APPEND_ONLY}'); END"
        )


def _keep_acts_on_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION refuse_change_of_review_acts() RETURNS trigger LANGUAGE plpgsql AS $$ "
        f"BEGIN RAISE EXCEPTION '{_APPEND_ONLY}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    op.execute(
        "CREATE TRIGGER review_acts_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON review_acts "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_review_acts()"
    )
