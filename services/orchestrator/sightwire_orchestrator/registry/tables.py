"""The registry's tables."""

from typing import Final

from sqlalchemy import Boolean, Column, ForeignKeyConstraint, Integer, String, Table, Text, UniqueConstraint

from sightwire_orchestrator.storage.columns import UtcTime
from sightwire_orchestrator.storage.tables import metadata

#: Registered versions as JSON; `number` counts the versions of a name from 1, `revision` the changes of its notes.
model_versions: Final = Table(
    "model_versions",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("version", String(64), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("space", String(64), nullable=False),
    Column("is_deprecated", Boolean, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("document", Text, nullable=False),
    UniqueConstraint("name", "number"),
)

#: What aliases meant, append-only; the highest revision of an alias is what it means now. No version: it is gone.
alias_moves: Final = Table(
    "model_alias_moves",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("alias", String(64), primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("version", String(64)),
    Column("previous", String(64)),
    Column("moved_by", String(255), nullable=False),
    Column("reason", Text, nullable=False),
    Column("moved_at", UtcTime, nullable=False),
    ForeignKeyConstraint(["name", "version"], ["model_versions.name", "model_versions.version"]),
)

#: Events that the bus does not have yet, in order: stored together with what they tell, removed once published.
model_events: Final = Table(
    "model_events",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("kind", String(16), nullable=False),
    #: The version, or the alias.
    Column("about", String(160), nullable=False),
    Column("id", String(200), nullable=False),
    Column("document", Text, nullable=False),
    UniqueConstraint("id"),
)
