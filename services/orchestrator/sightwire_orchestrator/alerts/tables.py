"""The tables of alerts."""

from typing import Final

from sqlalchemy import Column, Index, String, Table, Text

from sightwire_orchestrator.storage.columns import UtcTime
from sightwire_orchestrator.storage.tables import metadata

#: Rules, and how each stands.
alert_rules: Final = Table(
    "alert_rules",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("document", Text, nullable=False),
    Column("standing", Text, nullable=False),
)

#: What became of rules. `settled_at`: it was told, or is told nobody.
alert_events: Final = Table(
    "alert_events",
    metadata,
    Column("id", String(160), primary_key=True),
    Column("rule", String(64), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("settled_at", UtcTime),
    Column("document", Text, nullable=False),
)
Index("ix_alert_events_at", alert_events.c.at)
_UNSETTLED: Final = alert_events.c.settled_at.is_(None)
Index("ix_alert_events_unsettled", alert_events.c.at, sqlite_where=_UNSETTLED, postgresql_where=_UNSETTLED)
