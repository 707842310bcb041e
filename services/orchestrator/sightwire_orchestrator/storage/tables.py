"""The tables. Documents are JSON as their pydantic models write it; columns beside them are what queries ask for.

The schema of a database comes from the migrations beside this module, which tests compare with these tables.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from sightwire_orchestrator.storage.columns import UtcTime

#: Constraints need names by which later migrations can drop them.
metadata: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

#: Definitions; a version never changes. `number` counts the versions of a name from 1.
pipelines: Final = Table(
    "pipelines",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("version", String(64), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("document", Text, nullable=False),
    Column("registered_at", UtcTime, nullable=False),
    UniqueConstraint("name", "number"),
)

#: Runs as they stand after `sequence` events.
runs: Final = Table(
    "runs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("pipeline", String(64), nullable=False),
    Column("version", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("sequence", BigInteger, nullable=False),
    Column("document", Text, nullable=False),
    ForeignKeyConstraint(["pipeline", "version"], ["pipelines.name", "pipelines.version"]),
)
Index("ix_runs_started", runs.c.started_at, runs.c.id)
Index("ix_runs_pipeline_started", runs.c.pipeline, runs.c.started_at, runs.c.id)
#: Few rows, however many runs have ended: what a starting orchestrator reads.
_UNFINISHED: Final = runs.c.ended_at.is_(None)
Index("ix_runs_unfinished", runs.c.started_at, sqlite_where=_UNFINISHED, postgresql_where=_UNFINISHED)

#: All that happened to runs, append-only; `sequence` counts from 1 within a run.
run_events: Final = Table(
    "run_events",
    metadata,
    Column("run", ForeignKey(runs.c.id, ondelete="CASCADE"), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(64), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("document", Text, nullable=False),
)

#: One row, there from the start with epoch 0: the orchestrator that may write runs.
active_orchestrator: Final = Table(
    "active_orchestrator",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
    Column("owner", String(255), nullable=False),
    Column("claimed_at", UtcTime),
)

#: Results of tasks by idempotency key; the first one stays.
idempotent_results: Final = Table(
    "idempotent_results",
    metadata,
    Column("scope", String(255), primary_key=True),
    Column("key_sha256", String(64), primary_key=True),
    Column("document", Text, nullable=False),
    Column("stored_at", UtcTime, nullable=False),
)
Index("ix_idempotent_results_stored", idempotent_results.c.stored_at)
