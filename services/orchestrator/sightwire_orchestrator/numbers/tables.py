"""The table of what is counted."""

from typing import Final

from sqlalchemy import BigInteger, Column, Float, Index, Integer, String, Table, Text

from sightwire_orchestrator.storage.columns import UtcTime
from sightwire_orchestrator.storage.tables import metadata

#: What ended within `seconds` from `at` on, of a task, or of whole runs where `task` is empty. `buckets` is the JSON of
#: a histogram; see `durations`.
execution_metrics: Final = Table(
    "execution_metrics",
    metadata,
    Column("pipeline", String(64), primary_key=True),
    Column("task", String(64), primary_key=True),
    Column("seconds", Integer, primary_key=True, autoincrement=False),
    Column("at", UtcTime, primary_key=True),
    Column("succeeded", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("cancelled", BigInteger, nullable=False),
    Column("durations", BigInteger, nullable=False),
    Column("total", Float, nullable=False),
    Column("least", Float, nullable=False),
    Column("most", Float, nullable=False),
    Column("buckets", Text, nullable=False),
)
Index("ix_execution_metrics_at", execution_metrics.c.seconds, execution_metrics.c.at)
